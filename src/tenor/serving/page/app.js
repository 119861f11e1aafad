// The page: which symbol, horizon and day are shown; the rest is drawn from the service's responses.
import { carryKey, follow, get } from "/page/api.js";
import { drawAttention, drawFan, drawSentiment, drawPrice, drawVolatility } from "/page/charts.js";
import { ahead, count, day as dayName, within } from "/page/format.js";
import { banner, direction, hero, modelCard, sentimentDay, node, pastTable, reachTable, track, watched } from "/page/panels.js";
import { picker, segments } from "/page/picker.js";

const by = (id) => document.getElementById(id);
const SPANS = [{ value: 63, label: "3 m", name: "3 months" }, { value: 126, label: "6 m", name: "6 months" }, { value: 252, label: "1 y", name: "1 year" }];
const state = { symbol: "", wanted: "", horizon: 1, span: 126, day: "", symbols: [], models: null, detail: null, horizons: null };

Plotly.setPlotConfig({ logging: 0, notifyOnLogging: 0 });

const choosing = picker(by("symbol"), by("symbols"), (symbol) => show(symbol));

function paint() {
  const { detail, horizon, span } = state;
  if (!detail) return;
  const record = state.models.track.find((candidate) => candidate.horizon === horizon);
  hero(detail, horizon, record);
  by("fan-text").textContent = drawFan(detail, horizon);
  reachTable(detail, horizon);
  by("own-csv").href = `/v1/forecasts?symbols=${encodeURIComponent(detail.symbol)}&format=csv`;
  by("volatility-text").textContent = drawVolatility(detail, horizon);
  direction(detail, horizon, record);
  by("price-text").textContent = drawPrice(detail, horizon, span);
  pastTable(detail, horizon);
  paintDay(state.day || detail.sentiment.session.at(-1) || "");
  if (detail.attention.sessions.length) by("attention-text").textContent = drawAttention(detail.attention, horizon);
  else by("attention-text").textContent = "This model has no attention.";
  by("attention").hidden = by("scale").hidden = !detail.attention.sessions.length;
}
// how far the last news lies behind the bars, where that is further than the features look back
const LOOKED_BACK = 20;
function sinceThen(detail) {
  const last = detail.sentiment.session.at(-1);
  const behind = detail.bars.session.filter((session) => session > last).length;
  if (behind <= LOOKED_BACK) return "";
  return ` (stale: ${behind === detail.bars.session.length ? "more than " : ""}${count(behind, "session")} before the last close)`;
}
function paintDay(chosen) {
  state.day = chosen;
  const { detail, span } = state;
  by("sentiment").hidden = !detail.sentiment.session.length;
  if (detail.sentiment.session.length) drawSentiment(detail, Math.min(span, 90), chosen, paintDay);
  const days = detail.sentiment.session.length;
  by("sentiment-text").textContent = days ? `News and posts before each session's cut-off, scored from −1 to +1; ${count(days, "session")} with items, the last on ${dayName(detail.sentiment.session.at(-1))}${sinceThen(detail)}.` : "";
  by("sentiment-text").classList.toggle("stale", days > 0 && sinceThen(detail) !== "");
  sentimentDay(detail, chosen);
}
function stepDay(step) {
  const days = state.detail.sentiment.session;
  const next = days[days.indexOf(state.day) + step];
  if (next) paintDay(next);
}

async function show(symbol, quietly = false) {
  if (!quietly) document.body.classList.add("busy");
  state.wanted = symbol;
  try {
    const detail = await get(`/v1/symbols/${encodeURIComponent(symbol)}`);
    if (state.wanted !== symbol) return; // another was chosen meanwhile
    if (symbol !== state.symbol) state.day = "";
    Object.assign(state, { symbol, detail });
    const known = detail.forecasts.map((forecast) => forecast.horizon);
    if (!known.includes(state.horizon)) state.horizon = known[0];
    choosing.show(symbol);
    history.replaceState(null, "", `#${encodeURIComponent(symbol)}/${state.horizon}`);
    banner(detail.staleness);
    paint();
  } catch (problem) {
    banner({ reasons: [] }, problem.message.replace(/\.$/, ""));
  } finally {
    if (state.wanted === symbol) document.body.classList.remove("busy");
  }
}
function setHorizon(horizon) {
  state.horizon = horizon;
  state.horizons?.mark(horizon);
  history.replaceState(null, "", `#${encodeURIComponent(state.symbol)}/${horizon}`);
  paint();
}
function step(by) {
  const names = state.symbols.map((row) => row.symbol);
  if (names.length) show(names[(names.indexOf(state.wanted) + by + names.length) % names.length]);
}
function theme() {
  const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  localStorage.setItem("tenor-theme", next);
  paint();
}

async function load() {
  const [symbols, models, report] = await Promise.all([get("/v1/symbols"), get("/v1/models"), get("/v1/monitor")]);
  Object.assign(state, { symbols: symbols.symbols, models });
  choosing.set(symbols.symbols);
  track(models.track);
  modelCard(models);
  watched(report);
  return symbols;
}

async function start() {
  const [wanted, horizon] = decodeURIComponent(location.hash.slice(1)).split("/");
  const symbols = await load();
  state.horizon = symbols.horizons.includes(Number(horizon)) ? Number(horizon) : symbols.horizons[0];
  state.horizons = segments(by("horizons"), symbols.horizons.map((h) => ({ value: h, label: h === 1 ? "1 session" : `${h} sessions`, name: ahead(h) })), state.horizon, setHorizon);
  const hours = within(symbols.symbols[0]?.session || "");
  segments(by("range"), hours ? SPANS.map(({ value }) => ({ value, label: `${value}`, name: `${value} bars` })) : SPANS, state.span, (span) => {
    state.span = span;
    paint();
  });
  const keys = {
    "fan-key": [["line", "close"], ["forecast", "median"], ["band half", "50 %"], ["band", "90 %"], ["band wide", "98 %"]],
    "volatility-key": [["forecast", "forecast"], ["ewma", "EWMA"]],
    "price-key": [["line", "close"], ["forecast", "expected"], ["band", "90 % interval, as forecast before"], ["dot", "outside the interval"]],
  };
  Object.entries(keys).forEach(([place, key]) => by(place).replaceChildren(...key.map(([shape, text]) => {
    const entry = node("span");
    entry.append(node("i", "", { class: shape }), text);
    return entry;
  })));
  const names = symbols.symbols.map((row) => row.symbol);
  await show(names.includes(wanted) ? wanted : names[0]);
  follow(async (symbol) => {
    await load();
    if (symbol === null || symbol === state.symbol) await show(state.symbol, true);
  });
}

document.querySelectorAll("a[download]").forEach(carryKey);
by("theme").addEventListener("click", theme);
by("day-before").addEventListener("click", () => stepDay(-1));
by("day-after").addEventListener("click", () => stepDay(1));
addEventListener("keydown", (event) => {
  if (event.target.closest("input, dialog") || event.metaKey || event.ctrlKey || event.altKey) return;
  const horizons = state.detail?.forecasts.map((forecast) => forecast.horizon) || [];
  const act = {
    "/": () => by("symbol").focus(),
    "[": () => step(-1),
    "]": () => step(1),
    h: () => setHorizon(horizons[(horizons.indexOf(state.horizon) + 1) % horizons.length]),
    t: theme,
  }[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});
addEventListener("hashchange", () => {
  const symbol = decodeURIComponent(location.hash.slice(1)).split("/")[0];
  if (symbol && symbol !== state.symbol) show(symbol);
});

async function begin() {
  try {
    await start();
  } catch (problem) {
    banner({ reasons: [] }, `${problem.message.replace(/\.$/, "")}; trying again in a few seconds`);
    setTimeout(begin, 4000);
  }
}
begin();

// The page of one symbol, on the newest session or a past one.
import { get, saveCsv } from "/page/api.js";
import { drawAttention, drawFan, drawSentiment, drawVolatility } from "/page/charts.js";
import { by, node } from "/page/dom.js";
import { count, day as dayName, within } from "/page/format.js";
import { direction, hero, PAST_FILE, pastFile, pastTable, reachTable, sentimentDay } from "/page/panels.js";
import { asOf, pastSessions } from "/page/past.js";
import { segments } from "/page/picker.js";
import { expect, savePng } from "/page/plot.js";
import { drawPrice, hits, nextDate } from "/page/pricechart.js";

const SPANS = [{ value: 63, label: "3 m", name: "3 months" }, { value: 126, label: "6 m", name: "6 months" }, { value: 252, label: "1 y", name: "1 year" }, { value: 1e6, label: "All", name: "All bars" }];
// how far the last news lies behind the bars, where that is further than the features look back
const LOOKED_BACK = 20;
const state = { detail: null, whole: null, horizon: 1, track: [], newsDay: "", look: { span: 126, from: null, to: null, candles: false, log: false } };
let spans = null;

export function setUp() {
  const { look } = state;
  const redraw = () => state.detail && (by("price-text").textContent = priceText());
  by("candles").addEventListener("click", () => press("candles"));
  by("log").addEventListener("click", () => press("log"));
  function press(name) {
    look[name] = !look[name];
    by(name).setAttribute("aria-pressed", String(look[name]));
    redraw();
  }
  for (const end of ["from", "to"]) {
    by(end).addEventListener("change", () => {
      look[end] = by(end).value || null;
      if (look.from && look.to && look.from > look.to) [look.from, look.to] = [look.to, look.from];
      by("from").value = look.from || "";
      by("to").value = look.to || "";
      redraw();
    });
  }
  by("price-png").addEventListener("click", () => savePng("price", `${state.detail.symbol}-${state.detail.session}`));
  by("fan-png").addEventListener("click", () => savePng("fan", `${state.detail.symbol}-range-${state.detail.session}`));
  by("past-csv").addEventListener("click", () => saveCsv(`${state.detail.symbol}-past-${state.horizon}.csv`, PAST_FILE, pastFile(state.whole, state.horizon)));
  by("bars-csv").addEventListener("click", () => {
    const { bars, symbol } = state.whole;
    const names = ["session", "open", "high", "low", "close", "volume"];
    saveCsv(`${symbol}-bars.csv`, ["symbol", ...names], bars.session.map((_, i) => [symbol, ...names.map((name) => bars[name][i])]));
  });
  by("day-before").addEventListener("click", () => stepNews(-1));
  by("day-after").addEventListener("click", () => stepNews(1));
  function setSpan(span) {
    Object.assign(look, { span, from: null, to: null });
    by("from").value = by("to").value = "";
    redraw();
    if (state.detail) paintNews(state.newsDay);
  }
  spans = (hours) => segments(by("range"), hours ? SPANS.map(({ value, label }) => ({ value, label: value > 1e5 ? label : `${value}`, name: value > 1e5 ? "All bars" : `${value} bars` })) : SPANS, look.span, setSpan);
}

// The document of a symbol, read once while it is shown; `again` reads it anew.
let reading = { symbol: "", promise: null };
export function read(symbol, again = false) {
  if (!again && state.whole?.symbol === symbol) return Promise.resolve(state.whole);
  if (again || reading.symbol !== symbol) {
    expect();
    const promise = get(`/v1/symbols/${encodeURIComponent(symbol)}`);
    const mine = { symbol, promise };
    reading = mine;
    // kept no longer than it takes: what is asked for again may have changed
    promise.catch(() => {}).finally(() => reading === mine && (reading = { symbol: "", promise: null }));
  }
  return reading.promise;
}

export function show(whole, { horizon, day, track }) {
  const known = pastSessions(whole);
  const detail = day && day < whole.session && known.includes(day) ? asOf(whole, day) : whole;
  const other = whole.symbol !== state.whole?.symbol || detail.session !== state.detail?.session;
  Object.assign(state, { whole, detail, horizon, track });
  if (other) state.newsDay = "";
  if (!by("range").childElementCount) spans(within(whole.session));
  paint();
  return detail;
}

const priceText = () => `${drawPrice(state.detail, state.horizon, state.look)} ${nextDate(state.detail)}`.trim();

export function paint() {
  const { detail, horizon, track } = state;
  if (!detail) return;
  const record = track.find((candidate) => candidate.horizon === horizon);
  hero(detail, horizon, record);
  by("fan-text").textContent = drawFan(detail, horizon);
  reachTable(detail, horizon);
  by("own-csv").href = `/v1/forecasts?symbols=${encodeURIComponent(detail.symbol)}&format=csv`;
  by("volatility-text").textContent = drawVolatility(detail, horizon);
  by("losses").hidden = !by("losses").childElementCount;
  direction(detail, horizon, record);
  by("price-text").textContent = priceText();
  by("hits").textContent = hits(detail, horizon);
  pastTable(detail, horizon);
  paintNews(state.newsDay || detail.sentiment.session.at(-1) || detail.items[0]?.session || "");
  by("attention").hidden = false;
  const { text, drawn } = drawAttention(detail, horizon);
  by("attention-text").textContent = text;
  by("attention").hidden = !drawn;
}

function sinceThen(detail) {
  const last = detail.sentiment.session.at(-1);
  const behind = detail.bars.session.filter((session) => session > last).length;
  if (behind <= LOOKED_BACK) return "";
  return ` (${behind === detail.bars.session.length ? "more than " : ""}${count(behind, "session")} before the last close)`;
}
function paintNews(chosen) {
  state.newsDay = chosen;
  const { detail, look } = state;
  const days = detail.sentiment.session.length;
  by("sentiment").hidden = !days;
  if (days) drawSentiment(detail, Math.min(look.span, 90), chosen, paintNews);
  by("sentiment-text").textContent = days ? `News and posts before each session's cut-off, scored from −1 to +1; ${count(days, "session")} with items, the last on ${dayName(detail.sentiment.session.at(-1))}${sinceThen(detail)}.` : "";
  by("sentiment-text").classList.toggle("stale", days > 0 && sinceThen(detail) !== "");
  sentimentDay(detail, chosen);
}
function stepNews(step) {
  const days = state.detail.sentiment.session;
  const next = days[days.indexOf(state.newsDay) + step];
  if (next) paintNews(next);
}

// What the colours of a chart stand for, drawn once.
const KEYS = {
  "price-key": [["line", "close"], ["forecast", "forecast"], ["band", "its 90 % interval"], ["dot", "outside its interval"]],
  "fan-key": [["line", "close"], ["forecast", "median"], ["band half", "50 %"], ["band", "90 %"], ["band wide", "98 %"]],
  "volatility-key": [["forecast", "forecast"], ["ewma", "EWMA"], ["dot faint", "realised"]],
};
export function keys() {
  for (const [id, entries] of Object.entries(KEYS)) {
    by(id).replaceChildren(...entries.map(([shape, text]) => {
      const entry = node("span");
      entry.append(node("i", "", { class: shape }), text);
      return entry;
    }));
  }
}

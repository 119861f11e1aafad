// The page: which view, symbol, horizon and day are shown, by its address; what it does without answers; its keys.
import { carryKey, follow, get, Problem, Unreachable } from "/page/api.js";
import { compare } from "/page/compare.js";
import { by, node } from "/page/dom.js";
import { ahead, count } from "/page/format.js";
import { model } from "/page/model.js";
import * as table from "/page/overview.js";
import { picker, segments } from "/page/picker.js";
import { replay } from "/page/replay.js";
import { address, parse } from "/page/route.js";
import { matching } from "/page/rows.js";
import { check, lost, problem, staleness } from "/page/status.js";
import * as symbolPage from "/page/symbol.js";

const VIEWS = ["overview", "symbol", "compare", "model", "message"];
const LOADING_AFTER = 300;
const state = { view: "", symbol: "", horizon: 1, day: null, board: null, models: null, routed: null, wanted: 0 };
const boards = new Map(); // of past sessions
let horizons = null;

const go = (place, replace = false) => {
  const url = address({ horizon: state.horizon, day: state.day, ...place });
  history[replace ? "replaceState" : "pushState"](null, "", url);
  return route();
};
const choosing = picker(by("symbol"), by("symbols"), (symbol) => go({ view: "symbol", symbol }));
const slider = replay((day) => go(state.view === "symbol" ? { view: "symbol", symbol: state.symbol, day } : { view: "overview", day }, true));

function view(name) {
  const other = state.view !== name;
  document.body.classList.remove("starting");
  state.view = name;
  VIEWS.forEach((each) => (by(`view-${each}`).hidden = each !== name));
  document.querySelectorAll("nav a").forEach((link) => (link.dataset.view === name ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current")));
  if (name !== "overview" && name !== "symbol") {
    slider.stop();
    by("replay").hidden = true;
  }
  if (name !== "symbol") {
    choosing.show("");
    document.title = { compare: "Compare · tenor", model: "Model · tenor" }[name] || "tenor";
  }
  if (other) {
    scrollTo(0, 0);
    if (document.activeElement === document.body || !document.activeElement?.checkVisibility?.()) by("main").focus({ preventScroll: true });
  }
}
function message(title, text, links = []) {
  view("message");
  by("message-title").textContent = title;
  by("message-text").textContent = text;
  by("message-progress").hidden = true;
  by("message-links").replaceChildren(...links);
}
function link(row) {
  const item = node("li");
  item.append(node("a", row.symbol, { href: address({ view: "symbol", symbol: row.symbol, horizon: state.horizon }) }), ` ${row.name}`);
  return item;
}

// What is asked for takes a while: said after a moment, and what is shown meanwhile is greyed.
async function loading(what, work) {
  const timer = setTimeout(() => {
    document.body.classList.add("busy");
    by("loading").textContent = `Loading ${what} …`;
    by("loading").hidden = false;
  }, LOADING_AFTER);
  try {
    return await work;
  } finally {
    clearTimeout(timer);
    document.body.classList.remove("busy");
    by("loading").hidden = true;
  }
}

async function route() {
  if (!state.board) return;
  const mine = ++state.wanted;
  state.routed = location.hash;
  const place = parse(location.hash);
  const known = state.board.horizons;
  state.horizon = known.includes(place.horizon) ? place.horizon : known.includes(state.horizon) ? state.horizon : known[0];
  state.day = place.day ? slider.nearest(place.day) : null;
  horizons.mark(state.horizon);
  problem("");
  try {
    await { overview: showOverview, symbol: showSymbol, compare: showCompare, model: showModel }[place.view]?.(place, () => mine === state.wanted)
      ?? (["overview", "symbol", "compare", "model"].includes(place.view) || message("There is no such page", `Nothing lies under “${location.hash}”.`));
  } catch (error) {
    if (mine !== state.wanted) return;
    failed(error, route);
  }
}
function failed(error, again) {
  if (error instanceof Unreachable) lost(again, error.message);
  else problem(error.message);
}

async function boardOf(day) {
  if (!day) return state.board;
  if (!boards.has(day)) {
    if (boards.size > 30) boards.delete(boards.keys().next().value);
    boards.set(day, await get(`/v1/overview?session=${encodeURIComponent(day)}`));
  }
  return boards.get(day);
}
async function showOverview(place, current) {
  const board = await loading("the overview", boardOf(state.day));
  if (!current()) return;
  const stay = state.view === "overview";
  view("overview");
  slider.set(state.board.sessions, state.board.session, state.day);
  staleness(state.board.staleness, state.board);
  table.show(board, { horizon: state.horizon, day: state.day }, stay);
}
async function showSymbol(place, current, again = false) {
  const names = state.board.symbols;
  const symbol = names.includes(place.symbol) ? place.symbol : names.find((name) => name.toUpperCase() === place.symbol.toUpperCase());
  if (!symbol) {
    const rows = state.board.symbols.map((name, i) => ({ symbol: name, name: state.board.name[i] || "" }));
    const near = matching(rows, place.symbol).concat(matching(rows, place.symbol.slice(0, 1))).filter((row, i, all) => all.indexOf(row) === i).slice(0, 5);
    message("Unknown symbol", `There is no forecast of “${place.symbol}” here.`, near.map(link));
    return;
  }
  const detail = await loading(symbol, symbolPage.read(symbol, again));
  if (!current()) return;
  view("symbol");
  state.symbol = symbol;
  choosing.show(symbol);
  const stale = detail.staleness;
  const shown = symbolPage.show(detail, { horizon: state.horizon, day: state.day, track: state.models.track });
  if (!shown.past) state.day = null;
  history.replaceState(null, "", address({ view: "symbol", symbol, horizon: state.horizon, day: state.day }));
  state.routed = location.hash;
  slider.set(detail.history[String(state.board.horizons[0])]?.session || [], detail.session, state.day);
  staleness(stale, { ...state.board, session: detail.session });
}
async function showCompare(place, current) {
  view("compare");
  staleness(state.board.staleness, state.board);
  const symbols = place.symbols.length ? place.symbols : state.symbol ? [state.symbol] : [];
  await loading("the comparison", compare(symbols, state.horizon, state.board.symbols));
  return current();
}
function showModel() {
  view("model");
  staleness(state.board.staleness, state.board);
}

function setHorizon(horizon) {
  const place = parse(location.hash);
  go({ ...place, horizon, day: state.day }, true);
}
function step(by) {
  const names = state.board?.symbols || [];
  const asked = parse(location.hash).symbol; // may still be on its way
  const from = names.indexOf(names.includes(asked) ? asked : state.symbol);
  if (names.length) go({ view: "symbol", symbol: names[(from + by + names.length) % names.length] });
}
function theme() {
  const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  localStorage.setItem("tenor-theme", next);
  if (state.view === "symbol") symbolPage.paint();
  if (state.view === "compare") route();
}
function addToBasket(symbol) {
  const field = by("basket");
  const names = field.value.split(",").map((name) => name.trim()).filter(Boolean);
  const next = names.includes(symbol) ? names.filter((name) => name !== symbol) : [...names, symbol];
  field.value = next.join(", ");
  by("compare-link").textContent = next.length ? `Compare (${next.length})` : "Compare";
  by("compare-link").href = address({ view: "compare", symbols: next, horizon: state.horizon });
}

async function load() {
  const [board, models, report, paper] = await Promise.all(["/v1/overview", "/v1/models", "/v1/monitor", "/v1/paper"].map((path) => get(path)));
  Object.assign(state, { board, models });
  boards.clear();
  choosing.set(board.symbols.map((symbol, i) => ({ symbol, name: board.name[i] || "", last_price: board.last_price[i], ...["lower", "upper", "volatility_rank"].reduce((row, key) => ({ ...row, [key]: board.forecasts[String(board.horizons[0])][key][i] }), {}) })));
  model({ models, report, board, paper });
}

async function start() {
  const wanted = parse(location.hash);
  if (wanted.view === "symbol") symbolPage.read(wanted.symbol).catch(() => {}); // beside the rest; its errors are told later
  try {
    await load();
  } catch (error) {
    if (error instanceof Unreachable) lost(start, error.message);
    else if (error instanceof Problem && error.status === 503) first();
    else message("The service did not answer as it should", error.message);
    return;
  }
  const { board } = state;
  state.horizon = board.horizons.includes(wanted.horizon) ? wanted.horizon : board.horizons[0];
  horizons = segments(by("horizons"), board.horizons.map((h) => ({ value: h, label: h === 1 ? "1 session" : `${h} sessions`, name: ahead(h) })), state.horizon, setHorizon);
  slider.set(board.sessions, board.session, null);
  if (board.opens_at && !location.hash) history.replaceState(null, "", address({ view: "overview", horizon: state.horizon, day: slider.nearest(board.opens_at) }));
  await route();
  let timer = null;
  const changed = new Set();
  follow((symbol) => {
    changed.add(symbol);
    clearTimeout(timer);
    timer = setTimeout(() => reload(changed.has(null) || changed.has(state.symbol)).finally(() => changed.clear()), 200);
  }, () => check(() => reload(true)));
}
async function reload(symbolToo = true) {
  try {
    await load();
    if (state.view === "symbol" && symbolToo && !state.day) await showSymbol(parse(location.hash), () => true, true);
    else await route();
  } catch (error) {
    failed(error, reload);
  }
}

// Nothing is published yet: show how far the first refresh is, and begin when it is done.
async function first() {
  try {
    await get("/readyz");
    await start();
    return;
  } catch (error) {
    if (error instanceof Unreachable) {
      lost(first, error.message);
      return;
    }
    const progress = error.body?.progress;
    if (progress) {
      message("Making the first forecasts", progress.total ? `${progress.stage[0].toUpperCase()}${progress.stage.slice(1)}: ${progress.done} of ${count(progress.total, "symbol")}.` : "The refresh is starting.");
      const bar = by("message-progress");
      bar.hidden = false;
      if (progress.total && progress.done) {
        bar.max = progress.total;
        bar.value = progress.done;
      } else bar.removeAttribute("value");
    } else {
      message("There are no forecasts yet", `${error.body?.problems?.join("; ") || "Nothing was published yet"}. This page begins by itself when there are some.`);
    }
  }
  setTimeout(first, 1000);
}

symbolPage.setUp();
symbolPage.keys();
table.overview({ compare: addToBasket });
by("basket-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const names = by("basket").value.split(/[\s,;]+/).filter(Boolean);
  go({ view: "compare", symbols: names.map((name) => state.board.symbols.find((known) => known.toUpperCase() === name.toUpperCase()) || name) });
});
document.querySelectorAll("a[download]").forEach((file) => carryKey(file, (error) => problem(`The file was not saved: ${error.message}`)));
by("theme").addEventListener("click", theme);
by("help-open").addEventListener("click", () => by("help").showModal());
addEventListener("keydown", (event) => {
  if (event.target.closest("input, dialog") || event.metaKey || event.ctrlKey || event.altKey || !state.board) return;
  const known = state.board.horizons;
  const act = {
    "/": () => (state.view === "overview" ? table.focusFilter() : by("symbol").focus()),
    "[": () => step(-1),
    "]": () => step(1),
    ",": () => !by("replay").hidden && slider.step(-1),
    ".": () => !by("replay").hidden && slider.step(1),
    o: () => go({ view: "overview" }),
    m: () => go({ view: "model" }),
    h: () => setHorizon(known[(known.indexOf(state.horizon) + 1) % known.length]),
    t: theme,
    "?": () => by("help").showModal(),
  }[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});
for (const name of ["hashchange", "popstate"]) {
  addEventListener(name, () => {
    if (location.hash !== state.routed) route();
  });
}
start();

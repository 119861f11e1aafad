// The overview: today's cards, and all symbols in one table with search, filters, order and a file.
import { saveCsv } from "/page/api.js";
import { by, node } from "/page/dom.js";
import { ahead, count, day } from "/page/format.js";
import { grid } from "/page/grid.js";
import { FILE, fileRow, matching, rowsOf, sorted } from "/page/rows.js";
import { starred } from "/page/stars.js";
import { today } from "/page/today.js";

const FILTERS = [
  { key: "all", label: "All", keeps: () => true },
  { key: "starred", label: "★ Starred", keeps: (row) => starred(row.symbol) },
  { key: "wide", label: "Wide", keeps: (row) => row.place === "wide" },
  { key: "calm", label: "Calm", keeps: (row) => row.place === "calm" },
  { key: "missed", label: "Missed", keeps: (row) => row.due !== null && !row.due.inside && row.due.session === row.session },
  { key: "news", label: "With news", keeps: (row) => row.n > 0 },
];
const DOWNWARDS = new Set(["range", "rank", "change", "up", "mean", "spark", "followed", "last"]);
const chosen = { key: "symbol", down: false, filter: "all", text: "" };
let board = null;
let where = {};
let rows = [];
let shown = [];
let table = null;

export function overview({ compare }) {
  table = grid(by("board"), { sort, changed: () => chosen.filter === "starred" && refresh(true), compare });
  by("filters").replaceChildren(...FILTERS.map(({ key, label }) => {
    const button = node("button", label, { type: "button", "aria-pressed": String(key === chosen.filter) });
    button.addEventListener("click", () => {
      chosen.filter = key;
      [...by("filters").children].forEach((each) => each.setAttribute("aria-pressed", String(each === button)));
      refresh();
    });
    return button;
  }));
  by("filter").addEventListener("input", () => {
    chosen.text = by("filter").value;
    refresh();
  });
  by("filter").addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      by("filter").value = chosen.text = "";
      refresh();
    } else if (event.key === "ArrowDown" || event.key === "Enter") {
      event.preventDefault();
      if (event.key === "Enter" && shown.length === 1) by("board").querySelector("tbody a").click();
      else table.focus();
    }
  });
  by("board-csv").addEventListener("click", () => saveCsv(`overview-${board.session}.csv`, FILE, shown.map(fileRow)));
}

function sort(key) {
  if (key === chosen.key) chosen.down = !chosen.down;
  else Object.assign(chosen, { key, down: DOWNWARDS.has(key) });
  refresh();
}

function refresh(stay = false) {
  const filter = FILTERS.find((each) => each.key === chosen.filter);
  const found = matching(rows.filter(filter.keeps), chosen.text);
  // a search puts the best match first, until the reader sorts by something else than the symbol
  shown = chosen.text.trim() && chosen.key === "symbol" ? found : sorted(found, chosen.key, chosen.down);
  const direction = board.evidence[String(where.horizon)]?.direction;
  table.show(shown, { key: chosen.key, down: chosen.down, past: board.past, direction, horizon: where.horizon, day: where.day, stay });
  const none = chosen.filter === "starred" && !chosen.text ? "No symbol is starred yet: press ☆ beside one." : `No symbol matches${chosen.text.trim() ? ` “${chosen.text.trim()}”` : ""}.`;
  by("board-count").textContent = shown.length ? `${shown.length.toLocaleString("en-US")} of ${count(rows.length, "symbol")}` : none;
}

export function show(newBoard, place, stay) {
  board = newBoard;
  where = place;
  rows = rowsOf(board, place.horizon);
  by("overview-title").textContent = board.past || board.staleness.replay ? day(board.session) : "Today";
  by("overview-when").textContent = `${board.past ? "As it was known then" : `From the close of ${day(board.session)}`}, ${ahead(place.horizon)}. ${board.evidence[String(place.horizon)]?.direction ? "" : "No direction is shown: the track record has no evidence for one."}`;
  today(board, rows, place);
  refresh(stay);
}
export const focusFilter = () => by("filter").focus();

// "Today" in four cards: the widest ranges, the misses of the last session, spikes of news, the model's health.
import { by, node } from "/page/dom.js";
import { count, day, known, percent, plain, score, signed } from "/page/format.js";
import { address } from "/page/route.js";

const SHOWN = 5;
const SPIKE = 3;
const LEAST_ITEMS = 5;
const LEVEL = 0.9;

function card(title, note, lines) {
  const box = node("section", "", { class: "card" });
  const list = node("ul");
  list.append(...lines);
  box.append(node("h2", title), list, node("p", note, { class: "note" }));
  return box;
}
function entry(row, figure, detail, tail, kind = "") {
  const line = node("li");
  const link = node("a", row.symbol, { href: address({ view: "symbol", symbol: row.symbol, ...tail }) });
  if (row.name) link.title = row.name;
  line.append(link, node("span", figure, kind ? { class: kind } : {}), node("small", detail));
  return line;
}

export function today(board, rows, { horizon, day: on }) {
  const tail = { horizon, day: on };
  by("today").replaceChildren(widest(rows, tail), misses(board, rows, horizon, tail), news(board, rows, tail), health(board, rows, horizon));
}

function widest(rows, tail) {
  const ranked = rows.filter((row) => row.rank >= 0.5 && known(row.range)).sort((a, b) => b.rank - a.rank || b.range - a.range);
  const wide = rows.filter((row) => row.place === "wide").length;
  return card("Widest for themselves", rows.some((row) => known(row.rank)) ? `${count(wide, "symbol")} of ${rows.length.toLocaleString("en-US")} wider than on 80 % of the days of their year.` : "No forecast has a year behind it yet.",
    ranked.slice(0, SHOWN).map((row) => entry(row, `±${percent(row.range)}`, `wider than ${percent(row.rank, 0)} of its year`, tail)));
}

function misses(board, rows, horizon, tail) {
  const due = rows.filter((row) => row.due && row.due.session === board.session);
  const out = due.filter((row) => !row.due.inside).sort((a, b) => Math.abs(b.due.move) - Math.abs(a.due.move));
  const expected = Math.round(due.length * (1 - LEVEL));
  return card("Outside their range", due.length ? `${out.length} of ${due.length.toLocaleString("en-US")} that came due on ${day(board.session)}; about ${expected} are expected of 90 % ranges.` : "No forecast came due in this session.",
    out.slice(0, SHOWN).map((row) => entry(row, signed(row.due.move, 1), `range ${signed(row.due.low, 1)} … ${signed(row.due.high, 1)}`, tail, row.due.move < 0 ? "down" : "up")));
}

function news(board, rows, tail) {
  const spikes = rows.filter((row) => row.n >= LEAST_ITEMS && known(row.usual) && row.n >= SPIKE * row.usual).sort((a, b) => b.n / b.usual - a.n / a.usual);
  const any = rows.some((row) => row.n);
  const note = !any ? "There is no news of this session in this store." : spikes.length ? `${count(spikes.length, "symbol")} with ${SPIKE} times the usual news or more.` : "No symbol has unusually much news.";
  return card("News spikes", note, spikes.slice(0, SHOWN).map((row) => entry(row, count(row.n, "item"), `usually ${row.usual.toFixed(0)}, sentiment ${score(row.mean)}${row.kind ? `, mostly ${plain(row.kind.replace(/^topic:/, ""))}` : ""}`, tail)));
}

function health(board, rows, horizon) {
  const [inside, all] = rows.reduce(([a, b], row) => [a + (row.held?.[0] || 0), b + (row.held?.[1] || 0)], [0, 0]);
  const evidence = board.evidence[String(horizon)];
  const lines = [
    ["Range", all ? `${percent(inside / all)} held` : "–", "of the last year's, 90 % is right"],
    ["Volatility", evidence?.risk ? "better" : "no edge", `${evidence?.risk ? "than" : "over"} a moving average (EWMA)`],
    ["Direction", evidence?.direction ? "some evidence" : "no evidence", evidence?.direction ? "by its track record" : "so none is shown"],
    ["Monitor", board.alarms ? count(board.alarms, "alarm") : "quiet", "at the last refresh"],
  ].map(([name, value, detail]) => {
    const line = node("li");
    line.append(name === "Monitor" ? node("a", name, { href: "#/model" }) : node("span", name, { class: "plain-name" }), node("span", value, value.includes("alarm") ? { class: "down" } : {}), node("small", detail));
    return line;
  });
  return card("How far to trust it", `Model ${board.model_version}, all symbols together.`, lines);
}

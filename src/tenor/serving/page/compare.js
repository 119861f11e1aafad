// Two symbols side by side, or a basket's range from the ranges and correlations of its members.
import { get } from "/page/api.js";
import { by, node, table } from "/page/dom.js";
import { ahead, known, number, percent, price, range, score } from "/page/format.js";
import { colour, draw, narrow } from "/page/plot.js";

export const MOST = 20;
const SESSIONS = 250;
const LEAST = 60;
let wanted = "";

export async function compare(symbols, horizon, known) {
  const chosen = [...new Set(symbols)].slice(0, MOST);
  wanted = `${chosen} ${horizon}`;
  by("basket").value = chosen.join(", ");
  const unknown = chosen.filter((symbol) => !known.includes(symbol));
  by("compare-note").textContent = unknown.length ? `There is no forecast of ${unknown.join(", ")} here.` : "";
  const there = chosen.filter((symbol) => known.includes(symbol));
  by("compare-body").hidden = there.length < 2;
  if (there.length < 2) {
    if (!unknown.length) by("compare-note").textContent = "Name two symbols or more, with commas between them.";
    return;
  }
  const mine = wanted;
  const details = await Promise.all(there.map((symbol) => get(`/v1/symbols/${encodeURIComponent(symbol)}`)));
  if (mine !== wanted) return; // others were chosen meanwhile
  paint(details, horizon);
}

function paint(details, horizon) {
  const rows = details.map((detail) => ({ detail, forecast: detail.forecasts.find((each) => each.horizon === horizon) || detail.forecasts[0] }));
  by("compare-title").textContent = details.map((detail) => detail.symbol).join(" · ");
  const lines = [
    ["Company", (d) => d.name || "–"], ["Last, adjusted", (d, f) => `${price(f.last_price)} ${d.currency || ""}`],
    ["Range, 90 %", (d, f) => `±${percent(half(f))}`], ["Interval", (d, f) => range(f.lower, f.upper, f.last_price)],
    ["Volatility a session", (d, f) => percent(f.volatility, 2)], ["Wider than in its year", (d, f) => (known(f.volatility_rank) ? `${percent(f.volatility_rank, 0)} of days` : "–")],
    ["Value at risk 95 %", (d, f) => percent(f.value_at_risk["0.95"])], ["Sentiment", (d) => (d.sentiment.session.at(-1) === d.session ? score(d.sentiment.mean.at(-1)) : "no news")],
  ];
  table(by("compare-table"), ["Figure", ...details.map((detail) => detail.symbol)], lines.map(([name, text]) => [name, ...rows.map(({ detail, forecast }) => text(detail, forecast))]));
  lineChart(rows);
  basket(rows, horizon);
}
const half = (forecast) => (forecast.upper - forecast.lower) / (2 * forecast.last_price);

// Closes as a share of the first that all have, over a year.
function lineChart(rows) {
  const common = shared(rows.map(({ detail }) => detail)).slice(-SESSIONS - 1);
  const colours = ["ours", "against", "third", "fourth", "calm"].map(colour);
  const dashes = ["solid", "dash", "dot", "dashdot"];
  draw("compare-chart", rows.map(({ detail }, i) => {
    const at = new Map(detail.bars.session.map((session, k) => [session, detail.bars.close[k]]));
    return { x: common, y: common.map((session) => at.get(session) / at.get(common[0]) - 1), mode: "lines", name: detail.symbol,
      line: { color: colours[i % 5], width: 1.8, dash: dashes[Math.floor(i / 5) % 4] }, hovertemplate: `%{y:+.1%}<extra>${detail.symbol}</extra>` };
  }), { xaxis: { type: "date", nticks: narrow() ? 3 : 6 }, yaxis: { tickformat: "+.0%", zeroline: true, zerolinecolor: colour("calm") }, showlegend: true, legend: { orientation: "h", y: 1.12, font: { color: colour("muted") } } });
}
function shared(details) {
  const [first, ...rest] = details.map((detail) => new Set(detail.bars.session));
  return [...first].filter((session) => rest.every((each) => each.has(session))).sort();
}

// Correlations of daily log returns over the last sessions that all have bars of.
export function correlations(details) {
  const common = shared(details).slice(-SESSIONS - 1);
  const returns = details.map((detail) => {
    const at = new Map(detail.bars.session.map((session, k) => [session, Math.log(detail.bars.close[k])]));
    return common.slice(1).map((session, i) => at.get(session) - at.get(common[i]));
  });
  const centred = returns.map((each) => {
    const mean = each.reduce((a, b) => a + b, 0) / each.length;
    return each.map((value) => value - mean);
  });
  const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
  const length = centred.map((each) => Math.sqrt(dot(each, each)));
  return { sessions: common.length - 1, matrix: centred.map((a, i) => centred.map((b, k) => (i === k ? 1 : dot(a, b) / (length[i] * length[k])))) };
}
// sqrt(sum over i, k of w_i w_k rho_ik q_i q_k), q the half-width of each 90 % range, w equal weights.
export function basketRange(halves, matrix) {
  const w = 1 / halves.length;
  let sum = 0;
  halves.forEach((a, i) => halves.forEach((b, k) => (sum += w * w * matrix[i][k] * a * b)));
  return Math.sqrt(Math.max(0, sum));
}

function basket(rows, horizon) {
  const { sessions, matrix } = correlations(rows.map(({ detail }) => detail));
  const halves = rows.map(({ forecast }) => half(forecast));
  const together = halves.reduce((a, b) => a + b, 0) / halves.length;
  const enough = sessions >= LEAST && matrix.flat().every(known);
  by("basket-figures").textContent = enough
    ? `In equal parts, ${ahead(horizon)}: ±${percent(basketRange(halves, matrix), 2)} with 90 %. If all moved together, it would be ±${percent(together, 2)}; spreading reduces it by ${percent(1 - basketRange(halves, matrix) / together, 0)}.`
    : `${Math.max(0, sessions)} sessions with bars of all of them are too few for correlations; ${LEAST} are needed.`;
  by("basket-formula").textContent = `Formula: the square root of the sum over all pairs i, k of w(i) · w(k) · ρ(i,k) · q(i) · q(k); q is half the width of each 90 % range, w = 1/${rows.length}, ρ the correlation of daily log returns over the last ${sessions} sessions (published bars). It assumes that returns are jointly elliptical and that correlations stay the same.`;
  const names = rows.map(({ detail }) => detail.symbol);
  table(by("correlation"), ["ρ", ...names], names.map((name, i) => [name, ...matrix[i].map((value) => {
    const cell = node("span", number(value), { class: "tint" });
    cell.style.setProperty("--share", `${Math.round(Math.abs(known(value) ? value : 0) * 45)}%`);
    return cell;
  })]));
}

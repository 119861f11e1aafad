// The charts of one symbol besides its price: the fan, volatility, sentiment, and which days set today's risk.
import { ahead, count, day, inItsYear, known, number, percent, plain, price, signed, tick, within } from "/page/format.js";
import { rowsOf } from "/page/past.js";
import { clear, colour, draw, narrow, ticks } from "/page/plot.js";

export { rowsOf };

// The fan: quantiles of the price at each horizon, from the last close on; between two horizons it is only drawn through.
const BANDS = [["0.01", "0.99", 0.12, 98], ["0.05", "0.95", 0.18, 90], ["0.25", "0.75", 0.3, 50]];
export function drawFan(detail, horizon) {
  const { forecasts } = detail;
  const chosen = forecasts.find((forecast) => forecast.horizon === horizon) || forecasts[0];
  const shown = Math.min(detail.bars.session.length, 2 * Math.max(...forecasts.map((forecast) => forecast.horizon), 10));
  const session = detail.bars.session.slice(-shown);
  const x = [detail.session, ...forecasts.map((forecast) => forecast.target_session)];
  const at = (level) => [chosen.last_price, ...forecasts.map((forecast) => forecast.quantiles[level])];
  const ours = colour("ours");
  const bounds = { x, mode: "lines", line: { width: 0 }, hoverinfo: "skip" };
  const there = BANDS.filter(([low]) => known(chosen.quantiles[low]));
  const bands = there.flatMap(([low, high, share]) => [
    { ...bounds, y: at(low) }, { ...bounds, y: at(high), fill: "tonexty", fillcolor: clear(ours, share) },
  ]);
  const range = (forecast, low, high) => `${price(forecast.quantiles[low])} … ${price(forecast.quantiles[high])}`;
  const later = detail.later ? detail.later.session.findIndex((each) => each > x.at(-1)) : 0;
  const followed = detail.later ? [[detail.session, ...detail.later.session.slice(0, later < 0 ? undefined : later)], [chosen.last_price, ...detail.later.close.slice(0, later < 0 ? undefined : later)]] : [[], []];
  const traces = [
    ...bands,
    { x: session, y: detail.bars.close.slice(-shown), mode: "lines", line: { color: colour("ink"), width: 1.5 }, hovertemplate: "%{y:,.2f}<extra>close</extra>" },
    { x, y: at("0.5"), mode: "lines+markers", line: { color: ours, width: 2 },
      marker: { color: ours, size: x.map((_, i) => (i ? (forecasts[i - 1].horizon === chosen.horizon ? 9 : 5) : 0)) },
      text: ["", ...forecasts.map((forecast) => [...there].reverse().map(([low, high, , name]) => `${name} %: ${range(forecast, low, high)}`).join("<br>"))],
      hovertemplate: "%{y:,.2f}<br>%{text}<extra>median</extra>" },
    { x: followed[0], y: followed[1], mode: "lines+markers", line: { color: colour("against"), width: 1.5 }, marker: { size: 4, color: colour("against") }, hovertemplate: "%{y:,.2f}<extra>what followed</extra>" },
  ];
  draw("fan", traces, {
    xaxis: within(detail.session) ? barByBar(session, forecasts) : { type: "date", nticks: narrow() ? 4 : 7 },
    yaxis: { tickformat: chosen.last_price < 100 ? ",.2f" : ",.0f", nticks: 6 },
  });
  const half = known(chosen.quantiles["0.25"]) ? `; with 50 % between ${range(chosen, "0.25", "0.75")}` : "";
  const partly = chosen.partly ? " Of this day the 90 % interval alone was kept: it was published by an older tenor." : "";
  return `With 90 % probability the price lies between ${range(chosen, "0.05", "0.95")}, ${ahead(chosen.horizon)}${half}.${partly}`;
}

// The forecast volatility of each session of the last year, the EWMA's, and the realised one: the square root of the mean
// variance (gap and range of each bar) over the sessions that were forecast.
export function drawVolatility(detail, horizon) {
  const forecast = detail.forecasts.find((candidate) => candidate.horizon === horizon) || detail.forecasts[0];
  const columns = detail.history[String(forecast.horizon)] || { session: [], volatility: [], baseline: [] };
  const from = Math.max(0, columns.session.length - 253);
  const before = columns.session.map((session, i) => i).filter((i) => i >= from && columns.session[i] < detail.session);
  const x = [...before.map((i) => columns.session[i]), detail.session];
  const y = (name, last) => [...before.map((i) => columns[name][i]), last];
  const [ours, calm] = [colour("ours"), colour("calm")];
  const hover = (name) => `%{y:.2%}<extra>${name}</extra>`;
  const realised = realisedVolatility(detail.bars, forecast.horizon);
  const then = x.map((session) => realised.get(session) ?? null);
  draw("volatility", [
    { x, y: y("baseline", forecast.baseline_volatility), mode: "lines", line: { color: calm, width: 1.3, dash: "dot" }, hovertemplate: hover("EWMA") },
    { x, y: y("volatility", forecast.volatility), mode: "lines", line: { color: ours, width: 1.8 }, hovertemplate: hover("forecast") },
    { x: [detail.session], y: [forecast.volatility], mode: "markers", marker: { color: ours, size: 9 }, hoverinfo: "skip" },
    { x, y: then, mode: "markers", marker: { color: clear(colour("against"), 0.5), size: 3.5 }, hovertemplate: hover("realised") },
  ], {
    xaxis: within(detail.session) ? { type: "category", tickvals: ticks(x), ticktext: ticks(x).map((d) => tick(d)), tickangle: 0 } : { type: "date", nticks: 4 },
    yaxis: { tickformat: ".1%", rangemode: "tozero", nticks: 5 },
  });
  const place = known(forecast.volatility_rank) ? `: ${inItsYear(forecast.volatility_rank)}` : "";
  return `${percent(forecast.volatility, 2)} a session over the ${ahead(forecast.horizon)}${place}. An EWMA of past squared returns says ${percent(forecast.baseline_volatility, 2)}.`;
}

// The variance of each bar: overnight return² + Garman-Klass.
export function variances({ open, high, low, close }) {
  return close.map((c, i) => {
    if (!i) return null;
    const [o, h, l, e, b] = [open[i], high[i], low[i], c, close[i - 1]].map(Math.log);
    const [top, bottom] = [Math.max(h, o, e), Math.min(l, o, e)];
    return (o - b) ** 2 + 0.5 * (top - bottom) ** 2 - (2 * Math.LN2 - 1) * (e - o) ** 2;
  });
}
// By session: the realised volatility of the `horizon` sessions after it, as far as their bars are there.
export function realisedVolatility(bars, horizon) {
  const each = variances(bars);
  const by = new Map();
  for (let i = 0; i + horizon < each.length; i += 1) {
    let sum = 0;
    for (let k = i + 1; k <= i + horizon; k += 1) sum += each[k];
    by.set(bars.session[i], Math.sqrt(Math.max(0, sum / horizon)));
  }
  return by;
}

// An axis on which a bar is as wide as the next, ahead as well: by the clock, nights and weekends would take most of the room.
export function barByBar(sessions, fan) {
  const places = [...sessions];
  for (const forecast of fan) {
    while (places.length < sessions.length + forecast.horizon - 1) places.push(`+${places.length}`);
    places.push(forecast.target_session);
  }
  const shown = ticks(sessions);
  return { type: "category", categoryorder: "array", categoryarray: places, tickvals: shown, ticktext: shown.map((d) => tick(d)), tickangle: 0 };
}

// The sentiment of each session as a bar from zero.
export function drawSentiment(detail, span, chosen, choose) {
  const { session, mean, n } = detail.sentiment;
  const from = Math.max(0, session.length - span);
  const x = session.slice(from);
  const y = mean.slice(from);
  const [up, down] = [colour("ours"), colour("against")];
  const traces = [{
    type: "bar", x, y, customdata: n.slice(from),
    marker: { color: y.map((value, i) => clear(value >= 0 ? up : down, x[i] === chosen ? 1 : 0.5)) },
    hovertemplate: "%{y:+.2f}, %{customdata} items<extra></extra>",
  }];
  const reach = Math.min(1, Math.max(0.2, 1.1 * Math.max(...y.map(Math.abs))));
  draw("sentiment", traces, {
    bargap: 0.25, xaxis: { type: "category", nticks: 4, tickvals: ticks(x), ticktext: ticks(x).map((d) => tick(d, day)) },
    yaxis: { range: [-reach, reach], nticks: 5, tickformat: "+.1f", zeroline: true, zerolinecolor: colour("calm") },
  }, (box) => {
    box.removeAllListeners("plotly_click");
    box.on("plotly_click", (event) => choose(event.points[0].x));
  });
}

// Which past sessions set today's risk: weight times variance of each, as a share of all. Nothing where attention is even.
const UNEVEN = 2;
export function drawAttention(detail, horizon) {
  const { attention, bars } = detail;
  if (detail.past) return { text: "Attention is published only with the newest forecasts.", drawn: false };
  const { sessions, features, feature } = attention;
  if (!sessions.length) return { text: "This model has no attention.", drawn: false };
  const time = attention.time[String(horizon)] || Object.values(attention.time)[0];
  if (Math.max(...time) * sessions.length < UNEVEN) {
    return { text: `The network gives its last ${sessions.length} sessions equal weight: no single day sets this range.`, drawn: false };
  }
  const each = variances(bars);
  const place = new Map(bars.session.map((session, i) => [session, i]));
  const parts = sessions.map((session, t) => time[t] * (each[place.get(session)] || 0));
  const total = parts.reduce((a, b) => a + b, 0);
  const share = parts.map((part) => part / total);
  const moves = sessions.map((session) => {
    const i = place.get(session);
    return i ? bars.close[i] / bars.close[i - 1] - 1 : null;
  });
  draw("attention", [{
    type: "bar", x: sessions, y: share, customdata: sessions.map((_, t) => [time[t] * sessions.length, signed(moves[t])]),
    marker: { color: sessions.map((_, t) => clear(colour("ours"), Math.min(1, 0.25 + time[t] * sessions.length * 0.15))) },
    hovertemplate: "%{y:.0%} of today's risk<br>moved %{customdata[1]}<br>weight %{customdata[0]:.1f} × an even share<extra></extra>",
  }], {
    bargap: 0.2, xaxis: { type: "category", tickvals: ticks(sessions), ticktext: ticks(sessions).map((d) => tick(d, day)), tickangle: 0 },
    yaxis: { range: [0, Math.max(0.5, ...share)], tickformat: ".0%", nticks: 5 },
  });
  const order = sessions.map((_, t) => t).sort((a, b) => share[b] - share[a]).slice(0, 3);
  const most = order.map((t) => `${day(sessions[t])} (${signed(moves[t])}, ${percent(share[t], 0)})`).join("; ");
  // without its largest session: the rest of the weighted mean, spread over the remaining weight
  const [top] = order;
  const without = Math.sqrt((total - parts[top]) / (1 - time[top]) / total);
  const left = top + 1;
  const change = `What would change it: without the move of ${day(sessions[top])} that mean would give a range ${number(without)} times as wide; ${left === 1 ? "it leaves the network's view after the next session" : `it leaves the network's view in ${count(left, "session")}`}.`;
  const by = features.map((name, k) => [name, feature.reduce((sum, row, t) => sum + time[t] * row[k], 0) * features.length]).sort((a, b) => b[1] - a[1]);
  const heavy = by.filter(([, weight]) => weight >= 1.5).slice(0, 3);
  const named = heavy.length ? ` Features with most weight: ${heavy.map(([name, weight]) => `${plain(name)} (${number(weight, 1)} × an even share)`).join(", ")}.` : " No feature stands out.";
  return { text: `Attention times variance of each of the last ${sessions.length} sessions, ${ahead(horizon)}. Most: ${most}. ${change}${named}`, drawn: true };
}

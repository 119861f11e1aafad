// The charts. Colours are the page's own, read when a chart is drawn, so that they follow its theme.
import { ahead, day, inItsYear, number, percent, plain, price, tick, within } from "/page/format.js";

const CONFIG = { displayModeBar: false, responsive: true, scrollZoom: false, doubleClick: "reset", showTips: false };
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const narrow = () => matchMedia("(max-width: 620px)").matches;

function clear(hex, share) {
  const [r, g, b] = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  return `rgba(${r},${g},${b},${share})`;
}

function layout(extra) {
  const axis = {
    gridcolor: colour("grid"), zeroline: false, tickcolor: colour("grid"), linecolor: colour("grid"),
    tickfont: { color: colour("muted"), size: 11.5 }, fixedrange: true, automargin: true,
  };
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false, hovermode: "x unified",
    margin: { l: 44, r: 10, t: 8, b: 28 }, dragmode: false,
    font: { family: getComputedStyle(document.body).fontFamily, color: colour("ink"), size: 12 },
    hoverlabel: { bgcolor: colour("paper"), bordercolor: colour("grid"), font: { color: colour("ink"), size: 12 }, align: "left" },
    ...extra,
    xaxis: { ...axis, showgrid: false, ...extra.xaxis },
    yaxis: { ...axis, ...extra.yaxis },
  };
}

function draw(id, traces, extra) {
  if (document.getElementById(id)._hoverdata) Plotly.Fx.unhover(id); // an open box speaks of what was drawn before
  return Plotly.react(id, traces, layout(extra), CONFIG);
}

// The fan: quantiles of the price at each horizon, from the last close on; between two horizons it is only drawn through.
const BANDS = [["0.01", "0.99", 0.12], ["0.05", "0.95", 0.18], ["0.25", "0.75", 0.3]];
export function drawFan(detail, horizon) {
  const { forecasts } = detail;
  const chosen = forecasts.find((forecast) => forecast.horizon === horizon) || forecasts[0];
  const shown = Math.min(detail.bars.session.length, 2 * Math.max(...forecasts.map((forecast) => forecast.horizon), 10));
  const session = detail.bars.session.slice(-shown);
  const x = [detail.session, ...forecasts.map((forecast) => forecast.target_session)];
  const at = (level) => [chosen.last_price, ...forecasts.map((forecast) => forecast.quantiles[level])];
  const ours = colour("ours");
  const bounds = { x, mode: "lines", line: { width: 0 }, hoverinfo: "skip" };
  const bands = BANDS.flatMap(([low, high, share]) => [
    { ...bounds, y: at(low) }, { ...bounds, y: at(high), fill: "tonexty", fillcolor: clear(ours, share) },
  ]);
  const range = (forecast, low, high) => `${price(forecast.quantiles[low])} … ${price(forecast.quantiles[high])}`;
  const traces = [
    ...bands,
    { x: session, y: detail.bars.close.slice(-shown), mode: "lines", line: { color: colour("ink"), width: 1.5 }, hovertemplate: "%{y:,.2f}<extra>close</extra>" },
    { x, y: at("0.5"), mode: "lines+markers", line: { color: ours, width: 2 },
      marker: { color: ours, size: x.map((_, i) => (i ? (forecasts[i - 1].horizon === chosen.horizon ? 9 : 5) : 0)) },
      text: ["", ...forecasts.map((forecast) => BANDS.map(([low, high], i) => `${["98", "90", "50"][i]} %: ${range(forecast, low, high)}`).reverse().join("<br>"))],
      hovertemplate: "%{y:,.2f}<br>%{text}<extra>median</extra>" },
  ];
  draw("fan", traces, {
    xaxis: within(detail.session) ? barByBar(session, forecasts) : { type: "date", nticks: narrow() ? 4 : 7 },
    yaxis: { tickformat: chosen.last_price < 100 ? ",.2f" : ",.0f", nticks: 6 },
  });
  return `With 90 % probability the price lies between ${range(chosen, "0.05", "0.95")}, ${ahead(chosen.horizon)}; with 50 % between ${range(chosen, "0.25", "0.75")}.`;
}

// The forecast volatility of each session of the last year beside the EWMA's, and where the newest stands among them.
export function drawVolatility(detail, horizon) {
  const forecast = detail.forecasts.find((candidate) => candidate.horizon === horizon) || detail.forecasts[0];
  const columns = detail.history[String(forecast.horizon)] || { session: [], volatility: [], baseline: [] };
  const from = Math.max(0, columns.session.length - 253);
  const before = columns.session.map((session, i) => i).filter((i) => i >= from && columns.session[i] < detail.session);
  const x = [...before.map((i) => columns.session[i]), detail.session];
  const y = (name, last) => [...before.map((i) => columns[name][i]), last];
  const [ours, calm] = [colour("ours"), colour("calm")];
  const hover = (name) => `%{y:.2%}<extra>${name}</extra>`;
  draw("volatility", [
    { x, y: y("baseline", forecast.baseline_volatility), mode: "lines", line: { color: calm, width: 1.3, dash: "dot" }, hovertemplate: hover("EWMA") },
    { x, y: y("volatility", forecast.volatility), mode: "lines", line: { color: ours, width: 1.8 }, hovertemplate: hover("forecast") },
    { x: [detail.session], y: [forecast.volatility], mode: "markers", marker: { color: ours, size: 9 }, hoverinfo: "skip" },
  ], {
    xaxis: within(detail.session) ? { type: "category", tickvals: ticks(x), ticktext: ticks(x).map((d) => tick(d)), tickangle: 0 } : { type: "date", nticks: 4 },
    yaxis: { tickformat: ".1%", rangemode: "tozero", nticks: 5 },
  });
  return `${percent(forecast.volatility, 2)} a session over the ${ahead(forecast.horizon)}: ${inItsYear(forecast.volatility_rank)}. An EWMA of past squared returns says ${percent(forecast.baseline_volatility, 2)}.`;
}

// The forecast of a day that has come due, for the hover: its price and interval, and whether the interval held.
function saidOf(row) {
  if (!row) return "";
  return `<br>forecast ${price(row.price)}<br>90 %: ${price(row.lower)} … ${price(row.upper)}<br>${row.held ? "inside" : "outside"} its interval`;
}

// Price, the interval of each past forecast at its target session, the prices outside it, and the fan from the last session.
export function drawPrice(detail, horizon, span) {
  const { session, close } = detail.bars;
  const from = Math.max(0, session.length - span);
  const first = session[from];
  const past = rowsOf(detail, horizon).filter((row) => row.target_session >= first && row.realised_price !== null);
  const missed = past.filter((row) => !row.held);
  const byTarget = new Map(past.map((row) => [row.target_session, row]));
  const fan = detail.forecasts.filter((forecast) => forecast.horizon <= Math.max(horizon, ...detail.forecasts.map((f) => f.horizon)));
  const last = { x: detail.session, price: fan[0].last_price };
  const x = [last.x, ...fan.map((forecast) => forecast.target_session)];
  const ours = colour("ours");
  const band = (upper, fill) => ({
    x: past.map((row) => row.target_session), y: past.map((row) => (upper ? row.upper : row.lower)), mode: "lines",
    line: { width: 0, color: ours, shape: "hvh" }, hoverinfo: "skip", ...(fill ? { fill: "tonexty", fillcolor: clear(ours, 0.13) } : {}),
  });
  const traces = [
    band(false, false),
    band(true, true),
    // what is said of a day comes from this line alone, which is not seen: of sparse points beside it the nearest would answer
    { x: [...session.slice(from), ...x.slice(1)], y: [...close.slice(from), ...fan.map((forecast) => forecast.price)],
      mode: "lines", line: { width: 0 }, text: [...session.slice(from).map((on) => saidOf(byTarget.get(on))), ...fan.map(() => "")],
      customdata: [
        ...close.slice(from).map((value) => `close ${price(value)}`),
        ...fan.map((forecast) => `forecast ${price(forecast.price)}<br>90 %: ${price(forecast.lower)} … ${price(forecast.upper)}`),
      ],
      hovertemplate: "%{customdata}%{text}<extra></extra>" },
    { x: session.slice(from), y: close.slice(from), mode: "lines", line: { color: colour("ink"), width: 1.5 }, hoverinfo: "skip" },
    { x: missed.map((row) => row.target_session), y: missed.map((row) => row.realised_price), mode: "markers",
      marker: { color: colour("against"), size: 6 }, hoverinfo: "skip" },
    { x, y: [last.price, ...fan.map((forecast) => forecast.lower)], mode: "lines", line: { width: 0 }, hoverinfo: "skip" },
    { x, y: [last.price, ...fan.map((forecast) => forecast.upper)], mode: "lines", line: { width: 0 }, fill: "tonexty",
      fillcolor: clear(ours, 0.3), hoverinfo: "skip" },
    { x, y: [last.price, ...fan.map((forecast) => forecast.price)], mode: "lines+markers", line: { color: ours, width: 2.2 },
      marker: { color: ours, size: x.map((_, i) => (i && fan[i - 1].horizon === horizon ? 9 : i ? 5 : 0)) },
      hoverinfo: "skip" },
  ];
  const end = new Date(new Date(x.at(-1)).getTime() + span * 0.03 * 864e5).toISOString().slice(0, 10);
  const xaxis = within(first) ? barByBar(session.slice(from), fan) : { type: "date", range: [first, end], nticks: narrow() ? 4 : 8 };
  draw("price", traces, { xaxis, yaxis: { tickformat: last.price < 100 ? ",.2f" : ",.0f" } });
  const shown = past.length;
  const held = shown - missed.length;
  return shown
    ? `Of ${shown} past forecasts shown, each made ${horizon === 1 ? "one session" : `${horizon} sessions`} before, the 90 % interval held ${held} (${percent(held / shown, 0)}).`
    : "No past forecast of this span has come due.";
}

// An axis on which a bar is as wide as the next, ahead as well: by the clock, nights and weekends would take most of the room.
function barByBar(sessions, fan) {
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
  draw("sentiment", traces, {
    bargap: 0.25, xaxis: { type: "category", nticks: 4, tickvals: ticks(x), ticktext: ticks(x).map((d) => tick(d, day)) },
    yaxis: { range: [-1, 1], tickvals: [-1, 0, 1], zeroline: true, zerolinecolor: colour("calm") },
  });
  const box = document.getElementById("sentiment");
  box.removeAllListeners?.("plotly_click");
  box.on?.("plotly_click", (event) => choose(event.points[0].x));
}

const ticks = (x) => [0.08, 0.5, 0.92].map((share) => x[Math.round(share * (x.length - 1))]).filter((d, i, all) => d && all.indexOf(d) === i);

// Weight of each feature in each session, relative to the same weight for all.
export function drawAttention(attention, horizon) {
  const { sessions, features, feature } = attention;
  const time = attention.time[String(horizon)] || Object.values(attention.time)[0];
  const even = 1 / (sessions.length * features.length);
  const total = features.map((_, k) => feature.reduce((sum, row, t) => sum + time[t] * row[k], 0));
  const order = features.map((_, k) => k).sort((a, b) => total[b] - total[a]);
  const most = narrow() ? 12 : 18;
  const rows = order.length > most ? order.slice(0, most) : order;
  const z = rows.map((k) => feature.map((row, t) => (time[t] * row[k]) / even)).reverse();
  const names = rows.map((k) => plain(features[k])).reverse();
  // on a log scale: half and twice an even share are equally far from it
  const log = z.map((row) => row.map((value) => Math.log(Math.max(value, 1e-6))));
  const away = Math.min(Math.log(20), Math.max(0.05, ...log.flat().map(Math.abs)));
  const [more, less, paper] = [colour("ours"), colour("against"), colour("paper")];
  draw("attention", [{
    type: "heatmap", x: sessions, y: names, z: log, customdata: z, zmin: -away, zmax: away, xgap: 1, ygap: 1,
    colorscale: [[0, less], [0.5, paper], [1, more]],
    hovertemplate: "%{y}, %{x}<br>%{customdata:.3f} × an even share<extra></extra>", showscale: false,
  }], {
    hovermode: "closest", xaxis: { type: "category", tickvals: ticks(sessions), ticktext: ticks(sessions).map((d) => tick(d, day)) }, yaxis: { tickfont: { size: 11, color: colour("muted") } },
  });
  document.getElementById("scale-low").textContent = `${number(Math.exp(-away))}×`;
  document.getElementById("scale-high").textContent = `${number(Math.exp(away))}×`;
  const flat = feature.flatMap((row, t) => row.map((weight) => (time[t] * weight) / even));
  const [low, high] = [Math.min(...flat), Math.max(...flat)];
  const spread = high < 2 ? "Its attention is close to even: it hardly prefers any day or feature, and differences here mean little." : "";
  return `Weight of each feature in each of the last ${sessions.length} sessions in the forecast of risk, ${ahead(horizon)}, as multiples of an even share: ${number(low)} to ${number(high)}. Most weight: ${rows.slice(0, 3).map((k) => plain(features[k])).join(", ")}. ${spread}`;
}

export function rowsOf(detail, horizon) {
  const columns = detail.history[String(horizon)];
  if (!columns) return [];
  return columns.session.map((session, i) => {
    const last = columns.last_price[i];
    const realised = columns.realised_price[i];
    const realisedReturn = realised === null ? null : Math.log(realised / last);
    return {
      session, target_session: columns.target_session[i], last_price: last, expected_return: columns.mean[i],
      price: last * Math.exp(columns.mean[i]), lower: last * Math.exp(columns.low[i]), upper: last * Math.exp(columns.high[i]),
      made: columns.made[i], realised_price: realised, realised_return: realisedReturn,
      held: realisedReturn === null ? null : columns.low[i] <= realisedReturn && realisedReturn <= columns.high[i],
    };
  });
}


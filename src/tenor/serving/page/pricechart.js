// The price: a line or candles, volume, the interval of each past forecast, events and kinds of news as a timeline below.
import { count, day, known, percent, plain, price, within } from "/page/format.js";
import { barByBar } from "/page/charts.js";
import { rowsOf } from "/page/past.js";
import { axis, clear, colour, draw, narrow } from "/page/plot.js";

// The forecast of a day that has come due, for the hover: its price and interval, and whether the interval held.
function saidOf(row) {
  if (!row) return "";
  return `<br>forecast ${price(row.price)}<br>90 %: ${price(row.lower)} … ${price(row.upper)}<br>${row.held ? "inside" : "outside"} its interval`;
}

// `look` says how: { from, to (dates or null), span (bars), candles, log }.
export function drawPrice(detail, horizon, look) {
  const { session, open, high, low, close, volume } = detail.bars;
  let start = look.from ? session.findIndex((each) => each >= look.from) : Math.max(0, session.length - look.span);
  if (start < 0) start = session.length - 1;
  const stop = look.to ? session.findIndex((each) => each.slice(0, 10) > look.to) : -1;
  const end = stop < 0 ? session.length : Math.max(start + 1, stop);
  const whole = end === session.length;
  const cut = (values) => values.slice(start, end);
  const x = cut(session);
  const first = x[0];
  const past = rowsOf(detail, horizon).filter((row) => row.target_session >= first && row.target_session <= x.at(-1) && row.realised_price !== null);
  const missed = past.filter((row) => !row.held);
  const byTarget = new Map(past.map((row) => [row.target_session, row]));
  const fan = whole ? detail.forecasts : [];
  const last = { x: detail.session, price: detail.forecasts[0].last_price };
  const ahead = [last.x, ...fan.map((forecast) => forecast.target_session)];
  const [ours, ink, against] = ["ours", "ink", "against"].map(colour);
  const band = (upper, fill) => ({
    x: past.map((row) => row.target_session), y: past.map((row) => (upper ? row.upper : row.lower)), mode: "lines",
    line: { width: 0, color: ours, shape: "hvh" }, hoverinfo: "skip", ...(fill ? { fill: "tonexty", fillcolor: clear(ours, 0.13) } : {}),
  });
  const candles = look.candles ? [{
    type: "candlestick", x, open: cut(open), high: cut(high), low: cut(low), close: cut(close), hoverinfo: "skip",
    increasing: { line: { color: ours, width: 1 }, fillcolor: clear(ours, 0.5) }, decreasing: { line: { color: against, width: 1 }, fillcolor: clear(against, 0.5) },
  }] : [];
  const later = detail.later && whole ? detail.later : { session: [], close: [] };
  const traces = [
    band(false, false),
    band(true, true),
    // what is said of a day comes from this line alone, which is not seen: of sparse points beside it the nearest would answer
    { x: [...x, ...fan.map((forecast) => forecast.target_session)], y: [...cut(close), ...fan.map((forecast) => forecast.price)], mode: "lines", line: { width: 0 },
      text: [...x.map((on) => saidOf(byTarget.get(on))), ...fan.map(() => "")],
      customdata: [
        ...cut(close).map((value) => `close ${price(value)}`),
        ...fan.map((forecast) => `forecast ${price(forecast.price)}<br>90 %: ${price(forecast.lower)} … ${price(forecast.upper)}`),
      ],
      hovertemplate: "%{customdata}%{text}<extra></extra>" },
    { x, y: cut(close), mode: "lines", line: { color: ink, width: look.candles ? 0 : 1.5 }, hoverinfo: "skip" },
    { x: missed.map((row) => row.target_session), y: missed.map((row) => row.realised_price), mode: "markers", marker: { color: against, size: 6 }, hoverinfo: "skip" },
    ...(fan.length ? [
      { x: ahead, y: [last.price, ...fan.map((forecast) => forecast.lower)], mode: "lines", line: { width: 0 }, hoverinfo: "skip" },
      { x: ahead, y: [last.price, ...fan.map((forecast) => forecast.upper)], mode: "lines", line: { width: 0 }, fill: "tonexty", fillcolor: clear(ours, 0.3), hoverinfo: "skip" },
      { x: ahead, y: [last.price, ...fan.map((forecast) => forecast.price)], mode: "lines+markers", line: { color: ours, width: 2.2 },
        marker: { color: ours, size: ahead.map((_, i) => (i && fan[i - 1].horizon === horizon ? 9 : i ? 5 : 0)) }, hoverinfo: "skip" },
    ] : []),
    ...candles,
    { x: [last.x, ...later.session].slice(0, 64), y: [last.price, ...later.close].slice(0, 64), visible: later.session.length > 0, mode: "lines", line: { color: against, width: 1.4, dash: "dot" }, hovertemplate: "%{y:,.2f}<extra>what followed</extra>" },
    { type: "bar", x, y: cut(volume), yaxis: "y2", marker: { color: clear(ink, 0.28) }, hovertemplate: "%{y:,.3s}<extra>volume</extra>" },
  ];
  const shown = [...marks(detail, first, whole ? null : x.at(-1))];
  if (shown.length) traces.push(...shown);
  const followed = later.session[Math.min(later.session.length, 63) - 1];
  const right = [ahead.at(-1), followed].filter(Boolean).sort().at(-1);
  const beyond = new Date(new Date(whole ? right : x.at(-1)).getTime() + x.length * 0.03 * 864e5).toISOString().slice(0, 10);
  const xaxis = within(first) ? barByBar(x, fan) : { type: "date", range: [first, beyond], nticks: narrow() ? 4 : 8, fixedrange: false };
  draw("price", traces, {
    dragmode: narrow() ? false : "zoom",
    xaxis: { ...xaxis, rangeslider: { visible: false }, anchor: shown.length ? "y3" : "y2" },
    yaxis: { tickformat: last.price < 100 ? ",.2f" : ",.0f", type: look.log ? "log" : "linear", domain: [0.26, 1], fixedrange: true, nticks: 7 },
    yaxis2: { ...axis(), domain: shown.length ? [0.11, 0.23] : [0, 0.2], showgrid: false, nticks: 3, tickformat: ".1s", title: { text: "" } },
    ...(shown.length ? { yaxis3: { ...axis(), domain: [0, 0.08], range: [-0.5, 1.5], tickvals: [0, 1], ticktext: ["news", "dates"], showgrid: false } } : {}),
  });
  const held = past.length - missed.length;
  return past.length
    ? `Of ${past.length} past forecasts shown, each made ${horizon === 1 ? "one session" : `${horizon} sessions`} before, the 90 % interval held ${held} (${percent(held / past.length, 0)}).`
    : "No past forecast of this span has come due.";
}

// Dates known ahead in the upper line, kinds of news in the lower one, larger with more items.
function marks(detail, first, last) {
  const inside = (on) => on >= first && (last === null || on <= last);
  const events = detail.events || { session: [], kind: [] };
  const dates = events.session.map((on, i) => [on, plain(events.kind[i])]).filter(([on]) => inside(on));
  const kinds = detail.kinds || { session: [], kind: [], n: [] };
  const byDay = new Map();
  kinds.session.forEach((on, i) => {
    if (!inside(on) || !kinds.kind[i]) return;
    byDay.set(on, [...(byDay.get(on) || []), [plain(kinds.kind[i].replace(/^topic:/, "")), kinds.n[i]]]);
  });
  const mark = { mode: "markers", yaxis: "y3" };
  const traces = [];
  if (dates.length) traces.push({ ...mark, x: dates.map(([on]) => on), y: dates.map(() => 1), text: dates.map(([, kind]) => kind), marker: { symbol: "diamond", size: 9, color: colour("fourth") }, hovertemplate: "%{text}<extra>date</extra>" });
  if (byDay.size) {
    const days = [...byDay];
    traces.push({ ...mark, x: days.map(([on]) => on), y: days.map(() => 0), text: days.map(([, kinds]) => kinds.map(([kind, n]) => `${kind} ${n}`).join("<br>")),
      marker: { size: days.map(([, kinds]) => Math.min(14, 4 + 2 * Math.sqrt(kinds.reduce((sum, [, n]) => sum + n, 0)))), color: colour("third") }, hovertemplate: "%{text}<extra>news</extra>" });
  }
  return traces;
}

// The next date known ahead, in words.
export function nextDate(detail) {
  const events = detail.events || { session: [], kind: [] };
  const place = events.session.findIndex((on) => on > detail.session);
  if (place < 0) return "";
  return `Next date known ahead: ${plain(events.kind[place])} on ${day(events.session[place])}.`;
}

// How the past forecasts went: hits and misses, and the longest run without a miss.
export function hits(detail, horizon) {
  const due = rowsOf(detail, horizon).filter((row) => known(row.realised_return) && row.held !== null);
  const held = due.filter((row) => row.held).length;
  const below = due.filter((row) => !row.held && row.realised_price < row.lower).length;
  return due.length ? `${held} of ${count(due.length, "past forecast")} held (${percent(held / due.length)}, 90 % is right); ${below} fell below and ${due.length - held - below} rose above the range.` : "No past forecast has come due.";
}

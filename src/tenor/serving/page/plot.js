// Plotly, loaded beside the figures when the first chart is wanted, and what all charts share. Colours are the page's own.
import { problem } from "/page/status.js";

const SCRIPT = "/page/plotly.min.js";
const AFTER_PAINT = 60;
let loading = null;
let loaded = false;
let due = null;
const waiting = new Map(); // charts wanted before Plotly is there, by id: the newest of each
export function plotly() {
  loading ||= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = SCRIPT;
    script.onload = () => {
      Plotly.setPlotConfig({ logging: 0, notifyOnLogging: 0 });
      resolve(flush());
    };
    script.onerror = () => {
      loading = null;
      script.remove();
      reject(new Error("The charts' script did not load: the figures are right without it. Reload the page to try again."));
    };
    document.head.append(script);
  });
  return loading;
}
// Fetch the script without reading it: it will be wanted in a moment.
export function expect() {
  if (loading || document.querySelector(`link[href="${SCRIPT}"]`)) return;
  const link = document.createElement("link");
  Object.assign(link, { rel: "preload", as: "script", href: SCRIPT });
  document.head.append(link);
}
// One chart after the other, with room between them for what the reader does.
async function flush() {
  while (waiting.size) {
    const [[id, drawing]] = waiting;
    waiting.delete(id);
    if (document.getElementById(id).checkVisibility?.() !== false) drawing();
    await new Promise((resolve) => setTimeout(resolve));
  }
  loaded = true;
}

const CONFIG = { displayModeBar: false, responsive: true, scrollZoom: false, doubleClick: "reset", showTips: false };
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
export const narrow = () => matchMedia("(max-width: 620px)").matches;

export function clear(hex, share) {
  const [r, g, b] = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  return `rgba(${r},${g},${b},${share})`;
}

export function axis() {
  return {
    gridcolor: colour("grid"), zeroline: false, tickcolor: colour("grid"), linecolor: colour("grid"),
    tickfont: { color: colour("muted"), size: 11.5 }, fixedrange: true, automargin: true,
  };
}
function layout(extra) {
  const whole = {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false, hovermode: "x unified",
    margin: { l: 44, r: 10, t: 8, b: 28 }, dragmode: false,
    font: { family: getComputedStyle(document.body).fontFamily, color: colour("ink"), size: 12 },
    hoverlabel: { bgcolor: colour("paper"), bordercolor: colour("grid"), font: { color: colour("ink"), size: 12 }, align: "left" },
    ...extra,
    xaxis: { ...axis(), showgrid: false, ...extra.xaxis },
    yaxis: { ...axis(), ...extra.yaxis },
  };
  for (const name of Object.keys(extra).filter((key) => /^[xy]axis\d$/.test(key))) whole[name] = { ...axis(), ...extra[name] };
  return whole;
}

// Draw a chart, as soon as Plotly is there; `after` is called with its box.
export function draw(id, traces, extra, after = () => {}) {
  if (!loaded) {
    waiting.delete(id);
    waiting.set(id, () => drawNow(id, traces, extra, after));
    // reading the script keeps the page busy for a moment: what the reader came for is painted before
    due ||= setTimeout(() => {
      due = null;
      plotly().catch((error) => problem(error.message));
    }, AFTER_PAINT);
    return;
  }
  drawNow(id, traces, extra, after);
}
function drawNow(id, traces, extra, after) {
  const box = document.getElementById(id);
  if (box._hoverdata) Plotly.Fx.unhover(id); // an open box speaks of what was drawn before
  Plotly.react(id, traces, layout(extra), CONFIG);
  after(box);
}
// A chart as a picture, on the page's own ground.
export async function savePng(id, name) {
  await plotly();
  const box = document.getElementById(id);
  const was = box.layout.paper_bgcolor;
  await Plotly.relayout(box, { paper_bgcolor: colour("paper") });
  await Plotly.downloadImage(box, { format: "png", filename: name, width: 1200, height: 640, scale: 2 });
  await Plotly.relayout(box, { paper_bgcolor: was });
}
export const ticks = (x) => [0.08, 0.5, 0.92].map((share) => x[Math.round(share * (x.length - 1))]).filter((d, i, all) => d && all.indexOf(d) === i);

// Addresses: #AAPL/5 a symbol at a horizon, #AAPL/5/2017-06-16 on a past day, #/overview/5/2017-06-16, #/compare/A,B/5, #/model.
const DAY = /^\d{4}-\d\d-\d\d(T[\d:]+)?$/;

export function parse(hash) {
  let parts;
  try {
    parts = hash.replace(/^#/, "").split("/").map(decodeURIComponent);
  } catch {
    parts = [hash]; // a % that stands for nothing
  }
  const view = parts[0] === "" ? { view: parts[1] || "overview" } : { view: "symbol", symbol: parts[0] };
  const rest = parts.slice(view.view === "symbol" ? 1 : 2);
  if (view.view === "compare") view.symbols = (rest.shift() || "").split(",").filter(Boolean);
  const [horizon, day] = rest;
  return { ...view, horizon: /^\d+$/.test(horizon || "") ? Number(horizon) : null, day: DAY.test(day || "") ? day : null };
}

export function address({ view, symbol, symbols, horizon, day }) {
  const tail = [horizon, day].filter(Boolean).join("/");
  if (view === "symbol") return `#${encodeURIComponent(symbol)}/${tail}`;
  if (view === "compare") return `#/compare/${(symbols || []).map(encodeURIComponent).join(",")}/${tail}`;
  if (view === "model") return "#/model";
  return tail ? `#/overview/${tail}` : "#";
}

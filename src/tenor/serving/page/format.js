// Numbers and dates as people read them; an unknown value is a dash.
const DASH = "–";
export const known = (value) => value !== null && value !== undefined && Number.isFinite(value);

export function number(value, digits = 2) {
  if (!known(value)) return DASH;
  const text = value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return (/^-[0.,]+$/.test(text) ? text.slice(1) : text).replace("-", "−");
}
export const price = (value) => number(value, Math.abs(value) < 10 ? 3 : 2);
export const percent = (value, digits = 1) => (known(value) ? `${number(value * 100, digits)} %` : DASH);
export function signed(value, digits = 2) {
  if (!known(value)) return DASH;
  const text = percent(value, digits);
  return text.startsWith("−") || /^0[.0]* /.test(text) ? text : `+${text}`;
}
export function score(value) {
  if (!known(value)) return DASH;
  const text = number(value, 2);
  return value > 0.005 ? `+${text}` : text;
}
// log return to simple return
export const simple = (log) => Math.expm1(log);

// a session is a date, or, for a bar within a day, the UTC moment of its close
export const within = (iso) => iso.includes("T");
const at = (iso) => new Date(within(iso) ? `${iso}Z` : `${iso}T12:00:00Z`);
const dated = (iso, form) =>
  at(iso).toLocaleDateString("en-GB", { ...form, day: "numeric", month: "short", year: "numeric", timeZone: "UTC" }) + (within(iso) ? `, ${iso.slice(11)} UTC` : "");
export const day = (iso) => dated(iso, {});
// short, for the axis of a chart; with `long` for a date where there is room for more
export const tick = (iso, long = (d) => day(d).replace(/ \d{4}$/, "")) =>
  within(iso) ? `${day(iso).replace(/ \d{4},.*/, "")}<br>${iso.slice(11)}` : long(iso);
export const weekday = (iso) => dated(iso, { weekday: "short" });
export const moment = (iso) =>
  `${new Date(iso).toLocaleString("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", timeZone: "UTC" })} UTC`;
export const ahead = (horizon) => (horizon === 1 ? "next session" : `${horizon} sessions ahead`);
// a move of the price either way, as a share of the last one
export const range = (lower, upper, last) => `${signed(lower / last - 1, 1).replace(" %", "")} … ${signed(upper / last - 1, 1)}`;
// the place of a volatility among those of the symbol's own last year, by the share of them that was lower
export function inItsYear(rank) {
  const [side, share] = rank >= 0.5 ? ["more volatile", rank] : ["calmer", 1 - rank];
  return `${side} than ${share > 0.995 ? "all days" : `${percent(share, 0)} of days`} of its last year`;
}
export const plain = (name) => name.replaceAll("_", " ");
export const count = (n, noun) => `${n.toLocaleString("en-US")} ${noun}${n === 1 ? "" : "s"}`;

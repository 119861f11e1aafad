// The rows of the overview, from the columns that the service sends: one object a symbol, at one horizon.
import { day, known, percent, price, score, signed } from "/page/format.js";

export const WIDE = 0.8;
export const CALM = 0.2;

export function rowsOf(board, horizon) {
  const at = board.forecasts[String(horizon)];
  return board.symbols.map((symbol, i) => {
    const last = board.last_price[i];
    const rank = at.volatility_rank[i];
    const [n, mean, usual] = board.sentiment[i] || [0, null, null];
    const realised = at.realised_price[i];
    const due = at.due[i];
    return {
      symbol, name: board.name[i] || "", currency: board.currency[i] || "", session: board.session_of[i], stale: board.stale[i] && !board.staleness.replay,
      last, change: board.change[i], spark: board.spark[i] || [], driver: board.driver[i] || {},
      lower: at.lower[i], upper: at.upper[i], range: known(at.lower[i]) ? (at.upper[i] - at.lower[i]) / (2 * last) : null,
      volatility: at.volatility[i], rank, place: known(rank) ? (rank >= WIDE ? "wide" : rank <= CALM ? "calm" : "normal") : "",
      up: at.p_up[i], target: at.target_session[i], n, mean, usual, kind: board.kind?.[i] || "",
      due: due && { session: due[0], move: Math.expm1(due[1]), low: Math.expm1(due[2]), high: Math.expm1(due[3]), inside: due[2] <= due[1] && due[1] <= due[3] },
      held: at.held[i],
      followed: known(realised) ? { move: realised / last - 1, inside: at.lower[i] <= realised && realised <= at.upper[i] } : null,
    };
  });
}

// What the range comes from, in a few words.
export function driven({ kind, session, move, level }) {
  if (!kind) return "–";
  const times = known(level) ? `${level.toFixed(1)}×` : "";
  if (kind === "day") return `${signed(move, 1)} on ${day(session).replace(/ \d{4}$/, "")}`;
  if (kind === "restless") return `last 5 sessions ${times} its usual`;
  if (kind === "quiet") return `quiet: last 5 sessions ${times}`;
  return "nothing unusual";
}

// A search by symbol or by name: what begins so comes first.
export function matching(rows, text) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return rows;
  const rank = (row) => {
    const symbol = row.symbol.toLowerCase();
    const name = row.name.toLowerCase();
    if (symbol === wanted) return 0;
    if (symbol.startsWith(wanted)) return 1;
    if (name.startsWith(wanted)) return 2;
    if (name.split(/[\s&.'-]+/).some((word) => word.startsWith(wanted))) return 3;
    return symbol.includes(wanted) || name.includes(wanted) ? 4 : 9;
  };
  return rows.map((row, i) => ({ row, i, rank: rank(row) })).filter((each) => each.rank < 9)
    .sort((a, b) => a.rank - b.rank || a.i - b.i).map((each) => each.row);
}

export const COLUMNS = [
  { key: "symbol", title: "Symbol", text: (row) => row.symbol },
  { key: "last", title: "Last", numeric: true, text: (row) => `${price(row.last)}`, hint: "Adjusted close of the last session" },
  { key: "change", title: "Day", numeric: true, text: (row) => signed(row.change), hint: "Change of the last session" },
  { key: "range", title: "Range, 90 %", numeric: true, text: (row) => (known(row.range) ? `±${percent(row.range)}` : "–"), hint: "Half the width of the 90 % interval" },
  { key: "rank", title: "In its year", numeric: true, hint: "Share of the forecasts of the symbol's last year that were lower" },
  { key: "driver", title: "What drives it", sort: (row) => driven(row.driver), text: (row) => driven(row.driver), hint: "The session that counts most in the recent variance, or the level of the last sessions" },
  { key: "up", title: "Up", numeric: true, text: (row) => percent(row.up, 0), hint: "P(up): shown only where the track record has evidence", only: "direction" },
  { key: "mean", title: "Sentiment", numeric: true, text: (row) => (row.n ? `${score(row.mean)}` : "–"), hint: "Mean sentiment of the session's news and their number" },
  { key: "spark", title: "30 sessions", sort: (row) => row.change },
  { key: "followed", title: "What followed", numeric: true, sort: (row) => row.followed?.move, text: (row) => (row.followed ? signed(row.followed.move) : "–"), only: "past" },
];

const NOTHING = -Infinity;
export function sorted(rows, key, down) {
  const column = COLUMNS.find((each) => each.key === key);
  const value = column?.sort || ((row) => row[key]);
  const filled = rows.map((row, i) => ({ row, i, value: value(row) ?? NOTHING }));
  const compare = (a, b) => (typeof a === "string" || typeof b === "string" ? String(a).localeCompare(String(b)) : a - b);
  filled.sort((a, b) => {
    if (a.value === NOTHING || b.value === NOTHING) return a.value === b.value ? a.i - b.i : a.value === NOTHING ? 1 : -1; // unknown ones last, whatever the order
    return (down ? -1 : 1) * compare(a.value, b.value) || a.i - b.i;
  });
  return filled.map((each) => each.row);
}

export const FILE = ["symbol", "name", "currency", "session", "last_price", "change", "target_session", "lower", "upper", "range", "volatility", "volatility_rank", "driver", "p_up", "news", "sentiment", "stale"];
export const fileRow = (row) => [row.symbol, row.name, row.currency, row.session, row.last, row.change, row.target, row.lower, row.upper, row.range, row.volatility, row.rank, driven(row.driver), row.up, row.n, row.mean, row.stale];

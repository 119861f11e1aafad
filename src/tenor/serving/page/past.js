// A symbol's past forecasts as rows, and the document of a symbol as it was known on a past session.
const YEAR = 252;
const LEAST_YEAR = 60;

export function rowsOf(detail, horizon) {
  const columns = detail.history[String(horizon)];
  if (!columns) return [];
  return columns.session.map((session, i) => {
    const last = columns.last_price[i];
    const realised = columns.realised_price[i];
    const realisedReturn = realised === null ? null : Math.log(realised / last);
    return {
      session, target_session: columns.target_session[i], last_price: last, expected_return: columns.mean[i], volatility: columns.volatility[i],
      baseline_volatility: columns.baseline[i], p_up: columns.p_up[i],
      price: last * Math.exp(columns.mean[i]), lower: last * Math.exp(columns.low[i]), upper: last * Math.exp(columns.high[i]),
      made: columns.made[i], realised_price: realised, realised_return: realisedReturn,
      held: realisedReturn === null ? null : columns.low[i] <= realisedReturn && realisedReturn <= columns.high[i],
      tails: columns.tails?.[i] || null,
    };
  });
}
// Quantiles and losses of a past forecast; of one that an older tenor published, the 90 % interval alone.
function risk(row) {
  if (!row.tails) return { quantiles: { 0.05: row.lower, 0.5: row.price, 0.95: row.upper }, value_at_risk: {}, expected_shortfall: {}, partly: true };
  const [q01, q25, q50, q75, q99, es95, es99] = row.tails;
  const at = (log) => row.last_price * Math.exp(log);
  return {
    quantiles: { 0.01: at(q01), 0.05: row.lower, 0.25: at(q25), 0.5: at(q50), 0.75: at(q75), 0.95: row.upper, 0.99: at(q99) },
    value_at_risk: { 0.95: 1 - row.lower / row.last_price, 0.99: -Math.expm1(q01) }, expected_shortfall: { 0.95: es95, 0.99: es99 }, partly: false,
  };
}
export const pastSessions = (detail) => Object.values(detail.history)[0]?.session || [];

// The dates that had been announced by the end of a session.
function announced(events, session) {
  const known = events.session.map((_, i) => (events.known_since?.[i] || "").slice(0, 10) <= session.slice(0, 10));
  return Object.fromEntries(Object.entries(events).map(([name, values]) => [name, values.filter((_, i) => known[i])]));
}

// What was known after `session`: the forecasts of that day, the bars until then. `later` has the bars that followed.
export function asOf(detail, session) {
  const end = detail.bars.session.findIndex((each) => each > session);
  const cut = (columns, to) => Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, to < 0 ? values : values.slice(0, to)]));
  const rest = (columns, from) => Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, from < 0 ? [] : values.slice(from)]));
  const until = (columns) => cut(columns, columns.session.findIndex((each) => each > session));
  const forecasts = detail.forecasts.map(({ horizon }) => {
    const rows = rowsOf(detail, horizon);
    const place = rows.findIndex((row) => row.session === session);
    if (place < 0) return null;
    const row = rows[place];
    const before = rows.slice(Math.max(0, place - YEAR), place).map((each) => each.volatility);
    return {
      ...row, ...risk(row), horizon,
      volatility_rank: before.length >= LEAST_YEAR ? before.filter((each) => each < row.volatility).length / before.length : null,
    };
  }).filter(Boolean);
  const history = Object.fromEntries(Object.entries(detail.history).map(([horizon, columns]) => {
    const known = cut(columns, columns.session.findIndex((each) => each >= session));
    return [horizon, { ...known, realised_price: known.realised_price.map((price, i) => (known.target_session[i] > session ? null : price)) }];
  }));
  return {
    ...detail, past: true, session, forecasts, history, bars: cut(detail.bars, end), later: rest(detail.bars, end), sentiment: until(detail.sentiment),
    kinds: detail.kinds && until(detail.kinds), events: detail.events && announced(detail.events, session), items: detail.items.filter((item) => item.session <= session),
    attention: { sessions: [], features: [], time: {}, feature: [] },
  };
}

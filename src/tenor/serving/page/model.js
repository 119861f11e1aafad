// The model page, in words a manager reads: a verdict, how well it did, its health, versions, and what it earned on paper.
import { by, figure, node, svgNode, table } from "/page/dom.js";
import { ahead, count, day, known, moment, number, percent, plain, signed } from "/page/format.js";

const NOMINAL = 0.9;
const upper = (text) => `${text[0].toUpperCase()}${text.slice(1)}`;
const many = (values) => [values.slice(0, -1).join(", "), values.at(-1)].filter((part) => part !== "").join(" and ");
const reaching = (horizons) => (horizons.length ? horizons.map((h) => (h === 1 ? "1 session" : `${h} sessions`)).join(", ") : "");

export function model({ models, report, board, paper }) {
  by("model-verdict").textContent = verdict(models.track, report, board);
  track(models.track);
  calibration(models.track, board);
  health(report, board);
  versions(models);
  modelCard(models);
  onPaper(paper.account);
}

// The one sentence: what to use it for, by how much it was judged, and whether it is well today.
export function verdict(records, report, board) {
  const judged = records.filter((record) => record.days);
  const alarms = alarming(report, board).length;
  const today = !report.checks.length ? "The monitor has not run yet." : alarms ? `The monitor has ${count(alarms, "alarm")}.` : "The monitor is quiet.";
  if (!judged.length) return `Too early to say: no forecast that was made after this version was chosen has come due yet. ${today}`;
  const first = judged[0];
  const risk = judged.filter((record) => record.risk_better).map((record) => record.horizon);
  const way = judged.filter((record) => record.better).map((record) => record.horizon);
  const opening = risk.length && way.length ? "Use its ranges, and its directions with care" : risk.length ? "Use its ranges, not its directions" : way.length ? "Use its directions with care; its ranges are no better than a moving average's" : "No edge: a moving average forecasts ranges as well, and its directions are no better than chance";
  const held = `since ${day(first.first)} the 90 % range held ${percent(first.coverage)} of ${first.forecasts.toLocaleString("en-US")} forecasts for the next session`.replace("the next session", first.horizon === 1 ? "the next session" : `${first.horizon} sessions ahead`);
  return `${opening}: ${held}${risk.length ? `, and its volatility beat a moving average's (${many(risk)} ${risk.at(-1) === 1 ? "session" : "sessions"} ahead)` : ""}. ${today}`;
}

// What the monitor found, without old data where the store is a replay: nobody expects any other.
const alarming = (report, board) => report.checks.filter((check) => check.alarm && !(board.staleness.replay && check.kind === "staleness"));

function track(records) {
  by("track").replaceChildren(...records.map((record) => {
    const box = node("section");
    box.append(node("h3", upper(ahead(record.horizon))));
    if (!record.days) {
      box.append(node("p", record.verdict));
      return box;
    }
    box.append(
      line("How far", record.risk_better ? "better than a moving average (EWMA)" : "no edge over a moving average (EWMA)", record.risk_better),
      known(record.risk_gain) && known(record.risk_low) ? gauge("Volatility", [record.risk_gain, record.risk_low, record.risk_high], (value) => number(value, 3), "worse than an EWMA") : "",
      line("Which way", record.better ? "better than “the price stays”, and than always “up”" : "no edge over “the price stays”", record.better),
      known(record.skill) && known(record.skill_low) ? gauge("Return", [record.skill, record.skill_low, record.skill_high], signed, "worse than “stays”") : "",
    );
    const figures = node("dl", "", { class: "figures small" });
    figures.append(
      figure("Right direction", percent(record.direction), `always “up”: ${percent(record.up_share)}`),
      figure("Judged", number(record.forecasts, 0), `${day(record.first)} – ${day(record.last)}`),
    );
    const details = node("details");
    details.append(node("summary", "The tests"), node("p", record.risk_verdict), node("p", record.verdict));
    box.append(figures, details);
    return box;
  }));
}
function line(name, words, good) {
  const shown = node("p", "", { class: "result" });
  shown.append(node("strong", name), " ", chip(words, good));
  return shown;
}
const chip = (words, good) => node("span", words, { class: good ? "chip good" : "chip" });

function gauge(name, [gain, low, high], written, worse) {
  const reach = 1.15 * Math.max(Math.abs(low), Math.abs(high), 1e-4);
  const at = (value) => 200 + (value / reach) * 180;
  const box = svgNode("svg", { class: "gauge", viewBox: "0 0 400 46", role: "img",
    "aria-label": `${name}: gain ${written(gain)}, 95 % interval ${written(low)} to ${written(high)}` });
  box.append(
    svgNode("line", { class: "axis", x1: 10, x2: 390, y1: 18, y2: 18 }), svgNode("line", { class: "zero", x1: 200, x2: 200, y1: 4, y2: 32 }),
    svgNode("line", { class: "span", x1: at(low), x2: at(high), y1: 18, y2: 18 }),
    svgNode("circle", { class: "value", cx: at(gain), cy: 18, r: 5.5 }),
    svgNode("text", { x: 10, y: 44 }, worse), svgNode("text", { x: 390, y: 44, "text-anchor": "end" }, "better"),
  );
  return box;
}

// Calibration: what 90 % ranges held, all together by horizon and symbol by symbol over the last year.
const LOW = 0.7;
function calibration(records, board) {
  const judged = records.filter((record) => record.days);
  by("calibration-rows").replaceChildren(...judged.map((record) => {
    const held = (board.forecasts[String(record.horizon)]?.held || []).filter((pair) => pair && pair[1] >= 60).map(([inside, all]) => inside / all);
    const row = node("div", "", { class: "held" });
    row.append(node("strong", upper(ahead(record.horizon))), strip(record, held), node("small", level(record)));
    return row;
  }));
  const [first] = judged;
  by("calibration-text").textContent = first
    ? "A 90 % range is right if it contains nine of ten prices (the dashed line). The large dot stands for all symbols together since the model was chosen, each small dot for one symbol over its last year; with 250 sessions, luck alone spreads them between 86 and 94 % for the next session, and wider for longer horizons."
    : "There is nothing to judge yet: this fills as forecasts come due.";
}
function strip(record, held) {
  const at = (share) => 10 + (Math.max(LOW, share) - LOW) / (1 - LOW) * 380;
  const box = svgNode("svg", { class: "gauge strip", viewBox: "0 0 400 46", role: "img",
    "aria-label": `The 90 % range held ${percent(record.coverage)}${held.length ? `; of single symbols between ${percent(Math.min(...held), 0)} and ${percent(Math.max(...held), 0)}` : ""}` });
  box.append(svgNode("line", { class: "axis", x1: 10, x2: 390, y1: 18, y2: 18 }));
  held.slice(0, 500).forEach((share, i) => box.append(svgNode("circle", { class: "one", cx: at(share), cy: 18 + ((i * 7) % 11) - 5, r: 2.4 })));
  box.append(
    svgNode("line", { class: "zero", x1: at(NOMINAL), x2: at(NOMINAL), y1: 2, y2: 34 }), svgNode("circle", { class: "value", cx: at(record.coverage), cy: 18, r: 6 }),
    svgNode("text", { x: 10, y: 44 }, "70 %: too narrow"), svgNode("text", { x: at(NOMINAL), y: 44, "text-anchor": "middle" }, "90 %"), svgNode("text", { x: 390, y: 44, "text-anchor": "end" }, "100 %: too wide"),
  );
  return box;
}
function level(record) {
  const ratio = record.squared_ratio;
  const about = !known(ratio) ? "" : Math.abs(ratio - 1) < 0.1 ? "; the volatility has the right level" : ratio < 1 ? "; the volatility is forecast too high" : "; the volatility is forecast too low";
  return `${percent(record.coverage)} held${about}${known(ratio) ? ` (squared moves are ${number(ratio, 2)} times the forecast)` : ""}.`;
}

// Health: five questions that the monitor asks at every refresh, and its words where it alarms.
const QUESTIONS = [
  ["staleness", "Is the data of today?", "yes"],
  ["drift", "Do the inputs look as in training?", "yes"],
  ["error", "Are the errors as usual?", "yes"],
  ["coverage", "Do the ranges hold lately?", "yes"],
  ["volatility", "Is the level of volatility right?", "yes"],
];
function health(report, board) {
  const raised = alarming(report, board);
  by("health-verdict").textContent = !report.checks.length
    ? "The monitor has not run yet: 'tenor refresh' runs it after every forecast."
    : `${raised.length ? `${count(raised.length, "alarm")}` : "No alarm"} at the last refresh, ${moment(report.as_of)}, of ${count(report.checks.length, "check")}.`;
  by("watch").replaceChildren(...(report.checks.length ? QUESTIONS : []).map(([kind, question, fine]) => {
    const checks = report.checks.filter((check) => check.kind === kind);
    if (kind !== "drift") checks.sort((a, b) => Number(a.name) - Number(b.name));
    const alarms = checks.filter((check) => raised.includes(check));
    const replay = kind === "staleness" && board.staleness.replay;
    const item = node("li", "", alarms.length ? { class: "alarm" } : {});
    const answer = alarms.length ? (checks.length > 1 ? `no: ${alarms.length} of ${checks.length}` : "no") : !checks.length ? "not judged" : replay ? "a replay" : fine;
    item.append(node("strong", question), node("span", answer, { class: "answer" }), node("small", why(kind, alarms, checks, replay, board)));
    return item;
  }));
  const drift = report.checks.filter((check) => check.kind === "drift");
  by("drift").hidden = !drift.length;
  if (drift.length) table(by("drift-table"), ["Feature", "Of its bound", "Measured"], drift.slice(0, 40).map((check) => [plain(check.name), percent(check.value, 0), check.detail]));
  by("drift-more").textContent = drift.length > 40 ? `${drift.length - 40} more features, closer to usual.` : "";
}
function why(kind, alarms, checks, replay, board) {
  if (replay) return `The data of this store end on ${day(board.session)}, and nothing new is expected.`;
  if (alarms.length) return alarms.slice(0, 3).map((check) => (kind === "drift" ? `${plain(check.name)}: ${check.detail}` : `${Number(check.name) ? `${upper(ahead(Number(check.name)))}: ` : ""}${check.detail}`)).join("; ");
  if (!checks.length) return "Too few sessions so far.";
  if (kind === "drift") return `All ${count(checks.length, "feature")} are within what the training part has seen.`;
  return checks.map((check) => `${Number(check.name) ? `${upper(ahead(Number(check.name)))}: ` : ""}${check.detail}`).join("; ").replace(/(\d)%/g, "$1 %");
}

// The versions, and why the champion is the champion.
function versions(models) {
  const rows = models.registry || [];
  const champion = rows.find((row) => row.version === models.champion);
  by("versions-text").textContent = because(models, champion, rows.length || models.versions.length);
  table(by("versions"), ["Version", "Made", "Ahead of, on its validation part", "Against the champion of its time"], rows.map((row) => {
    const name = node("span");
    name.append(row.version, ...(row.version === models.champion ? [" ", chip("in use", true)] : row.names.includes("previous") ? [" ", chip("before", false)] : []));
    return [name, moment(row.created_at), ahead_of(row.beats), contest(row, models)];
  }));
  by("versions").parentElement.hidden = !rows.length;
}
function ahead_of(beats) {
  const box = node("span", beats ? "" : "not known");
  if (!beats) return box;
  const parts = [["volatility", "EWMA"], ["returns", "“the price stays”"]].filter(([key]) => beats[key]?.length);
  if (!parts.length) box.append(chip("no edge", false));
  parts.forEach(([key, rival], i) => box.append(i ? " " : "", chip(`${rival}: ${reaching(beats[key])}`, true)));
  return box;
}
function contest(row, models) {
  if (!row.contest) return row.version === models.champion ? "no other to beat" : "not compared";
  return `${row.contest.promoted ? "Promoted" : "Not promoted"}: ${row.contest.why}`;
}
function because(models, champion, count_) {
  if (champion?.contest?.promoted) return `Version ${models.champion} is in use since ${moment(champion.contest.at)}, in place of ${champion.contest.against || "none"}: ${champion.contest.why}`;
  if (count_ <= 1) return `Version ${models.champion} is in use because it is the only one. A new version takes over only if its error is lower on sessions that neither has seen (a one-sided test at 5 %).`;
  return `Version ${models.champion} is in use: none of the other versions was shown to be better on sessions that neither has seen (a one-sided test at 5 %).`;
}

function modelCard(models) {
  const { card } = models;
  const parts = Object.entries(card.split || {}).map(([name, days]) => [upper(name), days.map(day).join(" – ")]);
  const settings = card.settings || {};
  const validation = Object.entries(card.validation || {}).map(([horizon, results]) => [`Validation, ${ahead(Number(horizon))}`, results.verdict || "–"]);
  const facts = [
    ["Model", `${card.name || "model"}, version ${models.champion}`],
    ["Created", card.created_at ? `${moment(card.created_at)}, tenor ${card.tenor}` : "–"],
    ["Universe", card.symbols ? count(card.symbols.length, "symbol") : "–"],
    ["Features", card.features ? count(card.features.length, "feature") : "–"],
    ...parts,
    ["Network", settings.model ? Object.entries(settings.model).map(([k, v]) => `${plain(k)} ${v}`).join(", ") : "–"],
    ...validation,
    ["Data", card.fingerprint ? `SHA-256 ${card.fingerprint.slice(0, 12)}…` : "–"],
  ];
  by("card").replaceChildren(...facts.flatMap(([name, value]) => [node("dt", name), node("dd", value)]));
}

// Paper trading: what following the forecasts earned, without money; nothing where no account has begun.
const SHOWN = 12;
function onPaper(account) {
  by("paper").hidden = !account;
  if (!account) return;
  const { settings } = account;
  by("paper-verdict").textContent = `${account.closed ? "This account is closed. " : ""}${account.verdict}`;
  by("paper-figures").replaceChildren(
    figure("Value", number(account.equity, 2), `of ${number(settings.capital, 0)} at the start`),
    figure("Gain", signed(account.growth), known(account.holding_growth) ? `holding: ${signed(account.holding_growth)}` : ""),
    figure("Deepest fall", percent(account.max_drawdown), known(account.holding_max_drawdown) ? `holding: ${percent(account.holding_max_drawdown)}` : ""),
    figure("Costs", number(account.costs, 2), `${number(settings.cost, 0)} bps a trade`),
  );
  by("paper-curve").replaceChildren(...(account.curve && account.curve.sessions.length > 1 ? [curve(account.curve)] : []));
  const rule = { basket: "a basket at a stated volatility", each: "each symbol at a stated volatility", "long/flat": "long where it will more likely rise" }[settings.rule] || settings.rule;
  by("paper-text").textContent = `Rule: ${rule}. ${count(account.sessions, "session")} booked${account.booked ? `, the last on ${day(account.booked)}` : ""}; decided after ${day(account.decided)}.${account.replayed ? ` ${count(account.replayed, "decision")} were made afterwards, on past forecasts.` : ""} No money moves.${account.notes.length ? ` ${account.notes.join(" ")}` : ""}`;
  const link = (symbol) => node("a", symbol, { href: `#${encodeURIComponent(symbol)}` });
  table(by("paper-positions"), ["Held", "Worth", "Share", "Next open"], positions(account).map((row) => [link(row.symbol), number(row.money, 2), percent(row.share), row.target]));
  by("paper-more").textContent = account.positions.length > SHOWN ? `${account.positions.length - SHOWN} more positions: /v1/paper.` : "";
}
function positions(account) {
  const orders = new Map(account.orders.map((order) => [order.symbol, order.target]));
  const held = account.positions.map((row) => ({ ...row, target: orders.has(row.symbol) ? percent(orders.get(row.symbol)) : "–" }));
  const fresh = account.orders.filter((order) => !account.positions.some((row) => row.symbol === order.symbol)).map((order) => ({ symbol: order.symbol, money: 0, share: 0, target: percent(order.target) }));
  return [...held, ...fresh].slice(0, SHOWN);
}
function curve({ sessions, equity, holding }) {
  const [low, high] = [Math.min(...equity, ...holding), Math.max(...equity, ...holding)];
  const x = (i) => 10 + (i / (sessions.length - 1)) * 780;
  const y = (value) => (high > low ? 110 - ((value - low) / (high - low)) * 100 : 60);
  const points = (values) => values.map((value, i) => `${x(i).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  const box = svgNode("svg", { class: "curve", viewBox: "0 0 800 136", role: "img",
    "aria-label": `Value from ${day(sessions[0])} to ${day(sessions.at(-1))}: ${signed(equity.at(-1) - 1)}; holding the same symbols: ${signed(holding.at(-1) - 1)}` });
  box.append(
    svgNode("polyline", { class: "other", points: points(holding) }), svgNode("polyline", { class: "rule", points: points(equity) }),
    svgNode("text", { x: 10, y: 132 }, day(sessions[0])), svgNode("text", { x: 790, y: 132, "text-anchor": "end" }, day(sessions.at(-1))),
  );
  return box;
}

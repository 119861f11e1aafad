// The parts of the page that are text and tables.
import { rowsOf } from "/page/charts.js";
import { ahead, count, day, inItsYear, known, moment, number, percent, plain, price, range, score, signed, simple, weekday } from "/page/format.js";

const by = (id) => document.getElementById(id);
export function node(tag, text = "", attributes = {}) {
  const element = document.createElement(tag);
  element.textContent = text;
  Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
  return element;
}
function svgNode(tag, attributes, text = "") {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
  element.textContent = text;
  return element;
}
function figure(name, value, note = "") {
  const box = node("div");
  const shown = node("dd", value);
  if (note) shown.append(node("small", note));
  box.append(node("dt", name), shown);
  return box;
}

export function hero(detail, horizon, track) {
  const forecast = detail.forecasts.find((candidate) => candidate.horizon === horizon) || detail.forecasts[0];
  by("hero-title").textContent = detail.symbol;
  by("hero-when").textContent = `${ahead(forecast.horizon)[0].toUpperCase()}${ahead(forecast.horizon).slice(1)}: ${weekday(forecast.target_session)} · data up to ${weekday(forecast.session)}`;
  by("figures").replaceChildren(
    figure("90 % interval", `${price(forecast.lower)} … ${price(forecast.upper)}`, range(forecast.lower, forecast.upper, forecast.last_price)),
    figure("Volatility a session", percent(forecast.volatility, 2), inItsYear(forecast.volatility_rank)),
    figure("Last close", price(forecast.last_price)),
  );
  by("losses").replaceChildren(
    ...losses(forecast.value_at_risk, "Value at risk"), ...losses(forecast.expected_shortfall, "Expected shortfall"),
  );
  by("verdict").textContent = track ? track.risk_verdict : forecast.verdict;
  document.title = `${detail.symbol} · tenor`;
}

const losses = (by, name) => Object.entries(by).map(([level, loss]) => figure(`${name} ${percent(Number(level), 0)}`, percent(loss, 2)));

export function direction(detail, horizon, track) {
  const forecast = detail.forecasts.find((candidate) => candidate.horizon === horizon) || detail.forecasts[0];
  by("direction").replaceChildren(
    figure("P(up)", percent(forecast.p_up, 0), known(track?.up_share) ? `rose: ${percent(track.up_share, 0)} of all` : ""),
    figure("Expected price", price(forecast.price), signed(simple(forecast.expected_return))),
  );
  by("direction-verdict").textContent = track ? track.verdict : "";
}

// Quantiles, value at risk and expected shortfall, one row a horizon.
export function reachTable(detail, horizon) {
  const head = node("thead");
  const top = node("tr");
  ["Ahead", "50 %", "90 %", "98 %", "VaR 95 / 99 %", "ES 95 / 99 %"].forEach((name) => top.append(node("th", name, { scope: "col" })));
  head.append(top);
  const body = node("tbody");
  detail.forecasts.forEach((forecast) => {
    const { quantiles, last_price: last, value_at_risk: risk, expected_shortfall: shortfall } = forecast;
    const line = node("tr", "", forecast.horizon === horizon ? { class: "chosen" } : {});
    line.append(
      node("th", `${forecast.horizon}`, { scope: "row", title: day(forecast.target_session) }),
      ...[["0.25", "0.75"], ["0.05", "0.95"], ["0.01", "0.99"]].map(([low, high]) => node("td", range(quantiles[low], quantiles[high], last))),
      ...[risk, shortfall].map((loss) => node("td", `${number(100 * loss["0.95"], 1)} / ${percent(loss["0.99"])}`)),
    );
    body.append(line);
  });
  by("reach").replaceChildren(head, body);
}

export function banner(staleness, offline) {
  const reasons = [...(offline ? [offline] : []), ...staleness.reasons];
  by("banner").hidden = reasons.length === 0;
  by("banner").textContent = reasons.length ? `Stale: ${reasons.join("; ")}.` : "";
}

export function pastTable(detail, horizon) {
  const rows = rowsOf(detail, horizon).slice(-25).reverse();
  const head = node("thead");
  const top = node("tr");
  ["Session", "Forecast", "90 % interval", "Realised", "Forecast return", "Realised return", "Inside"].forEach((name) => top.append(node("th", name, { scope: "col" })));
  head.append(top);
  const body = node("tbody");
  rows.forEach((row) => {
    const line = node("tr");
    line.append(
      node("th", day(row.target_session), { scope: "row" }), node("td", price(row.price)), node("td", `${price(row.lower)} … ${price(row.upper)}`),
      node("td", known(row.realised_price) ? price(row.realised_price) : "not yet"), node("td", signed(simple(row.expected_return))),
      node("td", known(row.realised_return) ? signed(simple(row.realised_return)) : "–"),
      node("td", row.held === null ? "–" : row.held ? "yes" : "no", row.held === false ? { class: "missed" } : {}),
    );
    body.append(line);
  });
  by("past").replaceChildren(head, body);
}

export function sentimentDay(detail, chosen) {
  const { session, n, mean, positive, negative } = detail.sentiment;
  const place = session.indexOf(chosen);
  by("day").textContent = place < 0 ? "" : day(chosen);
  by("day-before").disabled = place <= 0;
  by("day-after").disabled = place < 0 || place === session.length - 1;
  const items = detail.items.filter((item) => item.session === chosen);
  by("sentiment-figures").replaceChildren(
    ...(place < 0 ? [] : [
      figure("Sentiment", score(mean[place])), figure("Items", number(n[place], 0)),
      figure("Positive", percent(positive[place], 0)), figure("Negative", percent(negative[place], 0)),
    ]),
  );
  by("items").replaceChildren(...items.map(item));
  if (!items.length) {
    const why = session.length === 0
      ? "There is no news on this symbol, or none in this lake."
      : "The texts of this day are not stored here, only its figures.";
    by("items").append(node("li", why, { class: "none" }));
  }
}
function item(news) {
  const box = node("li");
  const text = node("div");
  const low = known(news.score) && news.score < 0;
  box.append(node("span", score(news.score), { class: low ? "score low" : "score", title: "score, −1 to +1" }), text);
  const safe = /^https?:\/\//.test(news.url || "");
  text.append(safe ? node("a", news.text, { href: news.url, rel: "noreferrer noopener", target: "_blank" }) : news.text);
  text.append(node("small", `${news.source} · ${moment(news.published_at)}${news.language_ok ? "" : " · not English?"}`));
  return box;
}

export function track(records) {
  by("track").replaceChildren(...records.map((record) => {
    const box = node("div");
    box.append(node("h3", `${ahead(record.horizon)[0].toUpperCase()}${ahead(record.horizon).slice(1)}`), node("p", record.risk_verdict));
    if (known(record.risk_gain) && known(record.risk_low)) {
      box.append(gauge("Volatility", [record.risk_gain, record.risk_low, record.risk_high], (value) => number(value, 3), "worse than an EWMA"));
    }
    box.append(node("p", record.verdict));
    if (known(record.skill) && known(record.skill_low)) {
      box.append(gauge("Return", [record.skill, record.skill_low, record.skill_high], signed, "worse than persistence"));
    }
    if (record.days) {
      const figures = node("dl", "", { class: "figures small" });
      figures.append(
        figure("Inside the 90 % interval", percent(record.coverage)),
        figure("Squared return / variance", number(record.squared_ratio), "1 is right"),
        figure("Direction right", percent(record.direction), `always “up”: ${percent(record.up_share)}`),
        figure("Forecasts", number(record.forecasts, 0), `${day(record.first)} – ${day(record.last)}`),
      );
      box.append(figures);
    }
    return box;
  }));
}
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

export function modelCard(models) {
  const { card } = models;
  const parts = Object.entries(card.split || {}).map(([name, days]) => [`${name[0].toUpperCase()}${name.slice(1)}`, days.map(day).join(" – ")]);
  const settings = card.settings || {};
  const validation = Object.entries(card.validation || {}).map(([horizon, results]) => [
    `Validation, ${ahead(Number(horizon))}`,
    [Object.entries(results).filter(([, value]) => known(value)).map(([name, value]) => `${plain(name)} ${number(value, Number.isInteger(value) ? 0 : 4)}`).join(", "), results.verdict].filter(Boolean).join(". "),
  ]);
  const facts = [
    ["Model", `${card.name || "model"}, version ${models.champion}`],
    ["Created", card.created_at ? `${moment(card.created_at)}, tenor ${card.tenor}` : "–"],
    ["Universe", card.symbols ? count(card.symbols.length, "symbol") : "–"],
    ["Features", card.features ? count(card.features.length, "feature") : "–"],
    ...parts,
    ["Network", settings.model ? Object.entries(settings.model).map(([k, v]) => `${plain(k)} ${v}`).join(", ") : "–"],
    ...validation,
    ["Data", card.fingerprint ? `SHA-256 ${card.fingerprint.slice(0, 12)}…` : "–"],
    ["Other versions", models.versions.filter((v) => v !== models.champion).join(", ") || "none"],
  ];
  by("card").replaceChildren(...facts.flatMap(([name, value]) => [node("dt", name), node("dd", value)]));
}

export function watched(report) {
  const drift = report.checks.filter((check) => check.kind === "drift");
  const others = report.checks.filter((check) => check.kind !== "drift");
  const shown = [...others, ...drift.slice(0, 4)];
  by("watch").replaceChildren(...shown.map((check) => {
    const name = { drift: `Drift of ${plain(check.name)}`, error: `Error, ${ahead(Number(check.name))}`, coverage: `Coverage, ${ahead(Number(check.name))}`, volatility: `Volatility, ${ahead(Number(check.name))}`, staleness: "Staleness" }[check.kind];
    const share = Math.min(1, check.value / (check.bound * 1.25));
    const line = node("li", "", check.alarm ? { class: "alarm" } : {});
    if (check.kind !== "drift") {
      line.append(node("strong", `${check.alarm ? "Alarm: " : ""}${name}`), node("span", check.alarm ? "" : "quiet", { class: "quiet" }), node("small", check.detail));
      return line;
    }
    const meter = node("span", "", { class: "meter" });
    const svg = svgNode("svg", { viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" });
    svg.append(svgNode("rect", { class: "fill", width: 100 * share, height: 6 }));
    meter.append(svg);
    line.append(node("strong", `${check.alarm ? "Alarm: " : ""}${name}`), meter, node("small", check.detail));
    return line;
  }));
  if (drift.length > 4) by("watch").append(node("li", `${drift.length - 4} more features, all ${drift.slice(4).some((c) => c.alarm) ? "with alarms among them" : "quiet"}.`, { class: "none" }));
}

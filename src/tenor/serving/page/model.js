// The model: its track record against baselines, its card, the monitor.
import { by, figure, node, svgNode } from "/page/dom.js";
import { ahead, count, day, known, moment, number, percent, plain, signed } from "/page/format.js";

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

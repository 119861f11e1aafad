// The parts of a symbol's page that are text and tables.
import { by, figure, node, table } from "/page/dom.js";
import { ahead, day, inItsYear, known, moment, number, percent, plain, price, range, score, signed, simple, weekday } from "/page/format.js";
import { rowsOf } from "/page/past.js";

const at = (detail, horizon) => detail.forecasts.find((candidate) => candidate.horizon === horizon) || detail.forecasts[0];

export function hero(detail, horizon, track) {
  const forecast = at(detail, horizon);
  by("hero-title").textContent = detail.symbol;
  by("hero-name").textContent = [detail.name, detail.currency].filter(Boolean).join(" · ");
  by("hero-when").textContent = `${ahead(forecast.horizon)[0].toUpperCase()}${ahead(forecast.horizon).slice(1)}: ${weekday(forecast.target_session)} · data up to ${weekday(forecast.session)}`;
  const half = (forecast.upper - forecast.lower) / (2 * forecast.last_price);
  by("figures").replaceChildren(
    figure("Range, 90 %", `±${percent(half)}`, range(forecast.lower, forecast.upper, forecast.last_price)),
    figure("90 % interval", `${price(forecast.lower)} … ${price(forecast.upper)}`, detail.currency),
    figure("Volatility a session", percent(forecast.volatility, 2), known(forecast.volatility_rank) ? inItsYear(forecast.volatility_rank) : ""),
    figure("Last close, adjusted", price(forecast.last_price)),
    ...(detail.past ? [followed(forecast)] : []),
  );
  by("losses").replaceChildren(
    ...losses(forecast.value_at_risk, "Value at risk"), ...losses(forecast.expected_shortfall, "Expected shortfall"),
  );
  by("news-drives").textContent = forecast.news_text || "";
  by("news-drives").hidden = !forecast.news_text;
  by("verdict").textContent = track ? track.risk_verdict : forecast.verdict || "";
  document.title = `${detail.symbol} · tenor`;
}

function followed(forecast) {
  if (forecast.realised_price === null) return figure("What followed", "not known yet");
  return figure("What followed", price(forecast.realised_price), `${signed(simple(forecast.realised_return))}, ${forecast.held ? "inside" : "outside"} the range`);
}

const losses = (by, name) => Object.entries(by).map(([level, loss]) => figure(`${name} ${percent(Number(level), 0)}`, percent(loss, 2)));

// Which way: figures only where the track record has evidence for them.
export function direction(detail, horizon, track) {
  const forecast = at(detail, horizon);
  const evidence = track?.better === true;
  by("direction").hidden = !evidence;
  by("direction").replaceChildren(
    figure("P(up)", percent(forecast.p_up, 0), known(track?.up_share) ? `rose: ${percent(track.up_share, 0)} of all` : ""),
    figure("Expected price", price(forecast.price), signed(simple(forecast.expected_return))),
  );
  by("direction-verdict").textContent = track ? track.verdict : "";
  by("direction-note").textContent = evidence ? "" : `No direction is shown: past forecasts give no evidence for one. For the record, P(up) is ${percent(forecast.p_up, 0)} and the expected price ${price(forecast.price)}.`;
}

// Quantiles, value at risk and expected shortfall, one row a horizon.
export function reachTable(detail, horizon) {
  const box = by("reach");
  table(box, ["Ahead", "50 %", "90 %", "98 %", "VaR 95 / 99 %", "ES 95 / 99 %"], detail.forecasts.map((forecast) => {
    const { quantiles, last_price: last, value_at_risk: risk, expected_shortfall: shortfall } = forecast;
    return [
      `${forecast.horizon}`,
      ...[["0.25", "0.75"], ["0.05", "0.95"], ["0.01", "0.99"]].map(([low, high]) => (known(quantiles[low]) ? range(quantiles[low], quantiles[high], last) : "–")),
      ...[risk, shortfall].map((loss) => (known(loss["0.95"]) ? `${number(100 * loss["0.95"], 1)} / ${percent(loss["0.99"])}` : "–")),
    ];
  }));
  [...box.tBodies[0].rows].forEach((line, i) => line.classList.toggle("chosen", detail.forecasts[i].horizon === horizon));
}

export function pastTable(detail, horizon) {
  const rows = rowsOf(detail, horizon).slice(-25).reverse();
  table(by("past"), ["Session", "Forecast", "90 % interval", "Realised", "Forecast return", "Realised return", "Inside"], rows.map((row) => [
    day(row.target_session), price(row.price), `${price(row.lower)} … ${price(row.upper)}`,
    known(row.realised_price) ? price(row.realised_price) : "not yet", signed(simple(row.expected_return)),
    known(row.realised_return) ? signed(simple(row.realised_return)) : "–",
    node("span", row.held === null ? "–" : row.held ? "yes" : "no", row.held === false ? { class: "missed" } : {}),
  ]));
}

export const PAST_FILE = ["symbol", "horizon", "session", "target_session", "last_price", "forecast_price", "lower", "upper", "volatility", "p_up", "realised_price", "inside", "made"];
export const pastFile = (detail, horizon) => rowsOf(detail, horizon).map((row) => [detail.symbol, horizon, row.session, row.target_session, row.last_price, row.price, row.lower, row.upper, row.volatility, row.p_up, row.realised_price, row.held, row.made]);

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
  const kinds = (news.kinds || []).map(plain).join(", ");
  const example = news.source === "example";
  const from = example ? "Example: a sentence made up for this demo" : `${news.source} · ${moment(news.published_at)}`;
  text.append(node("small", `${from}${kinds ? ` · ${kinds}` : ""}${news.language_ok ? "" : " · not English?"}`));
  return box;
}


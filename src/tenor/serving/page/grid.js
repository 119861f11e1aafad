// A table of any number of rows of which those in sight are elements; arrows move, Enter opens, s stars, c compares.
import { node, svgNode } from "/page/dom.js";
import { percent } from "/page/format.js";
import { address } from "/page/route.js";
import { COLUMNS } from "/page/rows.js";
import { starred, toggle } from "/page/stars.js";

const BEYOND = 8;

// `box` scrolls; `sort(key)` is called for a head, `changed()` after a star, `compare(symbol)` for a row put into the comparison.
export function grid(box, { sort, changed, compare }) {
  const element = box.querySelector("table");
  const head = node("thead");
  const body = node("tbody");
  element.replaceChildren(head, body);
  let rows = [];
  let columns = [];
  let tail = {};
  let active = 0;
  let height = 0;

  function measured() {
    if (!height) height = parseFloat(getComputedStyle(box).getPropertyValue("--row")) || 44;
    return height;
  }
  // rows above and below those that are elements are two empty ones, as high as they are
  function spacer() {
    const line = node("tr", "", { "aria-hidden": "true", class: "spacer" });
    line.append(node("td"));
    return line;
  }
  const [above, below] = [spacer(), spacer()];
  const tall = (line, many) => (line.firstChild.style.height = `${many * measured()}px`);
  const made = new Map(); // by place
  function draw(force = false) {
    const top = Math.floor(box.scrollTop / measured());
    const first = Math.max(0, Math.min(top - BEYOND, rows.length - 1));
    const end = Math.min(rows.length, top + Math.ceil(box.clientHeight / measured()) + BEYOND);
    const focused = force && body.contains(document.activeElement) ? document.activeElement.closest("tr").dataset.symbol : null;
    const star = document.activeElement?.className === "star";
    if (force) {
      made.clear();
      body.replaceChildren(above, below);
    }
    for (const [i, own] of made) {
      if (i >= first && i < end) continue;
      own.remove();
      made.delete(i);
    }
    let next = above.nextSibling;
    for (let i = first; i < end; i += 1) {
      if (made.has(i)) {
        next = made.get(i).nextSibling;
        continue;
      }
      made.set(i, line(rows[i], i));
      body.insertBefore(made.get(i), next);
    }
    tall(above, first);
    tall(below, rows.length - end);
    if (focused) [...body.rows].find((each) => each.dataset.symbol === focused)?.querySelector(star ? ".star" : "a")?.focus({ preventScroll: true });
  }
  function line(row, i) {
    const own = node("tr", "", { "aria-rowindex": String(i + 2), class: i === active ? "active" : "" });
    own.dataset.symbol = row.symbol;
    const star = node("button", starred(row.symbol) ? "★" : "☆", { type: "button", class: "star", "aria-pressed": String(starred(row.symbol)), "aria-label": `Star ${row.symbol}`, tabindex: i === active ? "0" : "-1" });
    const first = node("td", "", { class: "mark-cell" });
    first.append(star);
    own.append(first, ...columns.map((column) => cell(column, row, i)));
    return own;
  }
  function cell(column, row, i) {
    if (column.key === "symbol") {
      const box = node("th", "", { scope: "row", class: "name" });
      const link = node("a", row.symbol, { href: address({ view: "symbol", symbol: row.symbol, ...tail }), tabindex: i === active ? "0" : "-1" });
      box.append(link, node("small", row.stale ? `stale: ${row.session}` : row.name, row.stale ? { class: "stale" } : {}));
      return box;
    }
    const box = node("td", column.text && !["change", "followed", "mean", "last"].includes(column.key) ? column.text(row) : "", { class: `${column.key}${column.numeric ? " number" : ""}` });
    if (column.key === "last") box.append(column.text(row), node("small", row.currency));
    if (column.key === "change") box.append(node("span", column.text(row), { class: row.change < 0 ? "down" : "up" }));
    if (column.key === "mean") box.append(column.text(row), ...(row.n ? [node("small", `${row.n} item${row.n === 1 ? "" : "s"}`)] : []));
    if (column.key === "followed" && row.followed) box.append(node("span", column.text(row)), node("small", row.followed.inside ? "inside" : "outside", row.followed.inside ? {} : { class: "stale" }));
    if (column.key === "rank") box.append(...place(row));
    if (column.key === "spark") box.append(spark(row.spark));
    return box;
  }
  function move(to) {
    if (!rows.length) return;
    active = Math.max(0, Math.min(rows.length - 1, to));
    const y = active * measured();
    const shown = box.clientHeight - head.offsetHeight;
    if (y < box.scrollTop) box.scrollTop = y;
    else if (y + measured() > box.scrollTop + shown) box.scrollTop = y + measured() - shown;
    draw(true);
    body.querySelector("tr.active a")?.focus({ preventScroll: true });
  }
  function star(symbol) {
    toggle(symbol);
    draw(true);
    changed();
  }

  let waiting = false;
  box.addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw();
    });
  }, { passive: true });
  addEventListener("resize", () => {
    height = 0;
    draw(true);
  });
  body.addEventListener("click", (event) => {
    const symbol = event.target.closest("tr")?.dataset.symbol;
    if (event.target.closest(".star")) star(symbol);
    else if (symbol && !event.target.closest("a")) event.target.closest("tr").querySelector("a").click();
  });
  box.addEventListener("keydown", (event) => {
    const symbol = event.target.closest("tbody tr")?.dataset.symbol;
    if (!symbol || event.metaKey || event.ctrlKey || event.altKey) return;
    const page = Math.max(1, Math.floor(box.clientHeight / measured()) - 2);
    const act = {
      ArrowDown: () => move(active + 1), ArrowUp: () => move(active - 1), PageDown: () => move(active + page), PageUp: () => move(active - page),
      Home: () => move(0), End: () => move(rows.length - 1), s: () => star(symbol), c: () => compare(symbol),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  });
  body.addEventListener("focusin", (event) => {
    const place = rows.findIndex((row) => row.symbol === event.target.closest("tr")?.dataset.symbol);
    if (place >= 0) active = place;
  });

  function heads(key, down) {
    const top = node("tr", "", { "aria-rowindex": "1" });
    const stars = node("th", "", { class: "mark-cell", scope: "col" });
    stars.append(node("span", "Starred", { class: "hidden-text" }));
    top.append(stars);
    for (const column of columns) {
      const box = node("th", "", { scope: "col", class: `${column.key}${column.numeric ? " number" : ""}`, ...(column.key === key ? { "aria-sort": down ? "descending" : "ascending" } : {}) });
      const button = node("button", column.title, { type: "button", ...(column.hint ? { title: column.hint } : {}) });
      if (column.key === key) button.append(node("span", down ? " ↓" : " ↑", { "aria-hidden": "true" }));
      button.addEventListener("click", () => sort(column.key));
      box.append(button);
      top.append(box);
    }
    const was = [...head.querySelectorAll("button")].indexOf(document.activeElement);
    head.replaceChildren(top);
    if (was >= 0) head.querySelectorAll("button")[was]?.focus();
  }
  return {
    show(all, { key, down, past, direction, horizon, day, stay = false }) {
      rows = all;
      tail = { horizon, day };
      columns = COLUMNS.filter((column) => !column.only || (column.only === "past" ? past : direction));
      element.setAttribute("aria-rowcount", String(rows.length + 1));
      heads(key, down);
      if (!stay) {
        active = 0;
        box.scrollTop = 0;
      }
      active = Math.min(active, Math.max(0, rows.length - 1));
      draw(true);
    },
    focus: () => move(active),
  };
}

function place(row) {
  if (!row.place) return [document.createTextNode("–")];
  const meter = svgNode("svg", { class: "place", viewBox: "0 0 60 8", width: 60, height: 8, "aria-hidden": "true" });
  meter.append(svgNode("rect", { class: "track", x: 0, y: 3, width: 60, height: 2, rx: 1 }), svgNode("circle", { class: row.place, cx: 4 + 52 * row.rank, cy: 4, r: 3.6 }));
  return [node("span", row.place, { class: `badge ${row.place}` }), meter, node("span", percent(row.rank, 0), { class: "hidden-text" })];
}
function spark(points) {
  const box = svgNode("svg", { class: "spark", viewBox: "0 0 90 24", width: 90, height: 24, "aria-hidden": "true" });
  const step = 88 / Math.max(1, points.length - 1);
  if (points.length > 1) box.append(svgNode("polyline", { points: points.map((y, i) => `${(1 + i * step).toFixed(1)},${(22 - y * 0.2).toFixed(1)}`).join(" ") }));
  return box;
}

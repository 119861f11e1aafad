// Elements made from text: nothing from the service is ever taken for markup.
export const by = (id) => document.getElementById(id);
export function node(tag, text = "", attributes = {}) {
  const element = document.createElement(tag);
  element.textContent = text;
  Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
  return element;
}
export function svgNode(tag, attributes, text = "") {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
  element.textContent = text;
  return element;
}
export function figure(name, value, note = "") {
  const box = node("div");
  const shown = node("dd", value);
  if (note) shown.append(node("small", note));
  box.append(node("dt", name), shown);
  return box;
}
// A table of text: `head` the names of the columns, `rows` of cells (text, or an element); the first cell names the row.
export function table(box, head, rows) {
  const top = node("tr");
  top.append(...head.map((name) => node("th", name, { scope: "col" })));
  const thead = node("thead");
  thead.append(top);
  const body = node("tbody");
  body.append(...rows.map((cells) => {
    const line = node("tr");
    cells.forEach((cell, i) => {
      const box = node(i ? "td" : "th", cell instanceof Node ? "" : cell, i ? {} : { scope: "row" });
      if (cell instanceof Node) box.append(cell);
      line.append(box);
    });
    return line;
  }));
  box.replaceChildren(thead, body);
}

// Starred symbols, in this browser alone.
const KEY = "tenor-stars";

function read() {
  try {
    const names = JSON.parse(localStorage.getItem(KEY) || "[]");
    return new Set(Array.isArray(names) ? names.filter((name) => typeof name === "string") : []);
  } catch {
    return new Set(); // storage is off, or holds something else
  }
}
let names = read();
addEventListener("storage", (event) => {
  if (event.key === KEY) names = read();
});

export const starred = (symbol) => names.has(symbol);
export const stars = () => [...names];
export function toggle(symbol) {
  if (!names.delete(symbol)) names.add(symbol);
  try {
    localStorage.setItem(KEY, JSON.stringify([...names].sort()));
  } catch {
    // they last as long as the page
  }
  return names.has(symbol);
}

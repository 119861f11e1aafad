// before the first paint, so that a dark page never flashes white
const kept = localStorage.getItem("tenor-theme");
document.documentElement.dataset.theme =
  kept || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");

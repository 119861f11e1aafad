// The slider that walks day by day through past forecasts and what followed.
import { by } from "/page/dom.js";
import { day } from "/page/format.js";

// `go(session)` is called with a past session, or with null for the newest forecasts.
export function replay(go) {
  const slider = by("replay-day");
  let sessions = [];
  let newest = "";
  let playing = null;
  const last = () => Number(slider.max);
  const at = (place) => (place >= sessions.length ? null : sessions[place]);
  const label = (place) => {
    const text = at(place) ? day(at(place)) : `${day(newest)}, newest`;
    by("replay-text").textContent = text;
    slider.setAttribute("aria-valuetext", text);
    by("replay-before").disabled = place <= 0;
    by("replay-after").disabled = place >= last();
  };
  const step = (by) => {
    slider.value = String(Math.max(0, Math.min(last(), Number(slider.value) + by)));
    label(Number(slider.value));
    go(at(Number(slider.value)));
  };
  let timer = null;
  slider.addEventListener("input", () => {
    label(Number(slider.value));
    clearTimeout(timer);
    timer = setTimeout(() => go(at(Number(slider.value))), 120); // the last place of a drag is the one to draw
  });
  by("replay-before").addEventListener("click", () => step(-1));
  by("replay-after").addEventListener("click", () => step(1));
  by("replay-newest").addEventListener("click", () => step(last()));
  by("replay-play").addEventListener("click", () => {
    stop(playing !== null);
  });
  function stop(now) {
    clearInterval(playing);
    playing = now ? null : setInterval(() => (Number(slider.value) >= last() ? stop(true) : step(1)), 1200);
    by("replay-play").textContent = playing === null ? "Play" : "Pause";
    by("replay-play").setAttribute("aria-pressed", String(playing !== null));
  }
  return {
    // `known` are the sessions with past forecasts, `session` that of the newest ones
    set(known, session, chosen) {
      sessions = known.filter((each) => each < session);
      newest = session;
      slider.max = String(sessions.length);
      const place = chosen === null ? sessions.length : sessions.indexOf(chosen);
      slider.value = String(place < 0 ? sessions.length : place);
      label(Number(slider.value));
      by("replay").hidden = sessions.length === 0;
    },
    step,
    stop: () => playing !== null && stop(true),
    // the session with forecasts that is not after `wanted`; null for the newest
    nearest: (wanted) => (wanted >= newest ? null : sessions.filter((each) => each <= wanted).at(-1) || sessions[0] || null),
  };
}

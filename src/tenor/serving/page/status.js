// What the page says of itself: no connection, a problem, stale forecasts, a replay. One at a time may be all of them.
import { get, Unreachable } from "/page/api.js";
import { day } from "/page/format.js";

const by = (id) => document.getElementById(id);
const AGAIN = 3000;
let since = null;
let waiting = null;

function tell(id, text, kind = "") {
  const line = by(id);
  line.hidden = !text;
  if (line.textContent !== text) line.textContent = text;
  if (kind) line.className = `banner ${kind}`;
}
const clock = (moment) => moment.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });

// The service does not answer: say since when, ask again and again, and call `again` once it does.
export function lost(again, why = "") {
  since ||= new Date();
  const what = why.startsWith("no answer") ? "No answer from the service" : "No connection to the service";
  tell("connection", `${what} since ${clock(since)}; trying again. What is shown may be old.`);
  if (waiting) return;
  waiting = setTimeout(async () => {
    waiting = null;
    try {
      await get("/healthz");
    } catch {
      lost(again, why);
      return;
    }
    since = null;
    tell("connection", "");
    again();
  }, AGAIN);
}
// Whether the service still answers, asked when something hints that it does not.
export async function check(again) {
  if (since) return;
  try {
    await get("/healthz");
  } catch (error) {
    if (error instanceof Unreachable) lost(again, error.message);
  }
}

// Stale forecasts of a live store, or a replay, which is no fault.
export function staleness(stale, board) {
  if (stale.replay) {
    const notes = board.notes.length ? ` ${board.notes.map((note) => `Note: ${note.replace(/\.$/, "")}.`).join(" ")}` : "";
    const last = board.sessions.at(-1) || board.session;
    tell("banner", `Replay: the data of this store end on ${day(last > board.session ? last : board.session)}. Every figure is of a past day; the slider walks through them.${notes}`, "calm");
    return;
  }
  tell("banner", stale.reasons.length ? `Stale: ${stale.reasons.join("; ").replace(/\.$/, "")}.` : "", "warn");
}
export const problem = (text) => tell("problem", text);

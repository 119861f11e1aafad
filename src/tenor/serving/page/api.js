// Requests to the service, each with a time-out. An API key, where the service needs one, stays in this tab.
const KEY = "tenor-key";
const PATIENCE = 10_000;
const FILE_PATIENCE = 120_000;

// The service answered, and said no.
export class Problem extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}
// It did not answer.
export class Unreachable extends Error {}

// What `read` makes of the answer; the time-out is over its body as well, which may hang.
async function request(path, patience, read) {
  const key = sessionStorage.getItem(KEY);
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  const giveUp = new AbortController();
  const timer = setTimeout(() => giveUp.abort(), patience);
  let response;
  let body;
  try {
    response = await fetch(path, { headers, signal: giveUp.signal });
    body = response.ok
      ? await read(response)
      : await response.json().catch((error) => {
        if (giveUp.signal.aborted) throw error;
        return {};
      });
  } catch {
    throw new Unreachable(giveUp.signal.aborted ? `no answer within ${patience / 1000} seconds` : "no connection");
  } finally {
    clearTimeout(timer);
  }
  if (response.status === 401) {
    // the answer may be late: if another key was entered since, that one is tried first
    if (sessionStorage.getItem(KEY) === key) await enter(key !== null);
    return request(path, patience, read);
  }
  if (!response.ok) throw Object.assign(new Problem(response.status, body.detail || `The service answered with status ${response.status}.`), { body });
  return body;
}
export const get = (path, patience = PATIENCE) => request(path, patience, (response) => response.json());

// A link can't carry a key: with one, its file is fetched, and saved under the name that the service gives it.
// `failed` is called with the error where that fails.
export function carryKey(link, failed) {
  link.addEventListener("click", async (event) => {
    if (!sessionStorage.getItem(KEY)) return;
    event.preventDefault();
    try {
      save(...await request(link.href, FILE_PATIENCE, async (response) => [await response.blob(), response.headers.get("content-disposition")?.match(/filename="([^"]+)"/)?.[1] || "forecasts"]));
    } catch (error) {
      failed(error);
    }
  });
}
export function save(blob, name) {
  const saved = document.createElement("a");
  saved.href = URL.createObjectURL(blob);
  saved.download = name;
  saved.click();
  setTimeout(() => URL.revokeObjectURL(saved.href), 1000);
}
// Rows as a file; a cell that a spreadsheet would take for a formula is made text.
export function saveCsv(name, head, rows) {
  const cell = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    const safe = typeof value === "string" && /^[=+@\-\t]/.test(text) ? `'${text}` : text;
    return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  save(new Blob([[head, ...rows].map((row) => row.map(cell).join(",")).join("\n"), "\n"], { type: "text/csv" }), name);
}

let entering = null;
function enter(refused) {
  if (entering) return entering;
  document.getElementById("key-dialog-refused").hidden = !refused;
  const dialog = document.getElementById("key-dialog");
  const field = document.getElementById("key-dialog-key");
  entering = new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      sessionStorage.setItem(KEY, field.value.trim());
      field.value = "";
      entering = null;
      resolve();
    }, { once: true });
  });
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  dialog.showModal();
  return entering;
}

// Calls `update` for new forecasts as they are published; with a key, which an event stream can't carry, every minute.
// `lost` is called when the stream breaks.
export function follow(update, lost) {
  if (sessionStorage.getItem(KEY)) {
    setInterval(() => update(null), 60_000);
    return;
  }
  const stream = new EventSource("/v1/events");
  stream.addEventListener("forecast", (event) => update(JSON.parse(event.data).symbol));
  stream.addEventListener("error", lost);
}

// Requests to the service. An API key, where the service needs one, stays in this tab.
const KEY = "tenor-key";

export class Problem extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

export async function get(path) {
  const key = sessionStorage.getItem(KEY);
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  const response = await fetch(path, { headers });
  if (response.status === 401) {
    await enter();
    return get(path);
  }
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Problem(response.status, body.detail || `The service answered with status ${response.status}.`);
  return body;
}

// A link can't carry a key: with one, its file is fetched, and saved under the name that the service gives it.
export function carryKey(link) {
  link.addEventListener("click", async (event) => {
    const key = sessionStorage.getItem(KEY);
    if (!key) return;
    event.preventDefault();
    const response = await fetch(link.href, { headers: { Authorization: `Bearer ${key}` } });
    if (!response.ok) throw new Problem(response.status, `The service answered with status ${response.status}.`);
    const saved = document.createElement("a");
    saved.href = URL.createObjectURL(await response.blob());
    saved.download = response.headers.get("content-disposition")?.match(/filename="([^"]+)"/)?.[1] || "forecasts";
    saved.click();
    setTimeout(() => URL.revokeObjectURL(saved.href), 1000);
  });
}

let entering = null;
function enter() {
  if (entering) return entering;
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
export function follow(update) {
  if (sessionStorage.getItem(KEY)) {
    setInterval(() => update(null), 60_000);
    return;
  }
  const stream = new EventSource("/v1/events");
  stream.addEventListener("forecast", (event) => update(JSON.parse(event.data).symbol));
}

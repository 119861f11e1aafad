// What the page asks of the service. A key, where the service wants one, stays in this tab.
const KEY = "tenor-key";

export class Problem extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

export async function ask(path) {
  const key = sessionStorage.getItem(KEY);
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  const answer = await fetch(path, { headers });
  if (answer.status === 401) {
    await enter();
    return ask(path);
  }
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Problem(answer.status, body.detail || `The service answered ${answer.status}.`);
  return body;
}

let entering = null;
function enter() {
  if (entering) return entering;
  const door = document.getElementById("door");
  const field = document.getElementById("door-key");
  entering = new Promise((resolve) => {
    door.addEventListener("close", () => {
      sessionStorage.setItem(KEY, field.value.trim());
      field.value = "";
      entering = null;
      resolve();
    }, { once: true });
  });
  door.addEventListener("cancel", (event) => event.preventDefault());
  door.showModal();
  return entering;
}

// New forecasts as they are published; with a key, which an event stream can't carry, look every minute.
export function follow(tell) {
  if (sessionStorage.getItem(KEY)) {
    setInterval(() => tell(null), 60_000);
    return;
  }
  const stream = new EventSource("/v1/events");
  stream.addEventListener("forecast", (event) => tell(JSON.parse(event.data).symbol));
}

// The gateway's interface: what /info, /live and the rest say (docs/gateway.md).

// What the gateway or the server refused, with its reason; `lost` when nobody answered at all.
export class ApiError extends Error {
  constructor(error, lost) {
    super(error.message);
    this.reason = error.reason;
    this.lost = lost;
  }
}

async function call(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new ApiError({ message: "The gateway does not answer.", reason: "GATEWAY_LOST" }, true);
  }
  let body = {};
  try {
    body = await response.json();
  } catch { /* no JSON: the status says enough */ }
  if (!response.ok) {
    const error = body.error || { message: `HTTP status ${response.status}`, reason: "HTTP" };
    throw new ApiError(error, response.status === 503 || response.status === 504);
  }
  return body;
}

export const getInfo = () => call("/info");
export const getSession = (id) => call(`/live/${encodeURIComponent(id)}`);

function post(path, body) {
  return call(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

export const startSession = (request) => post("/live", request);
export const control = (id, name, body = {}) => post(`/live/${encodeURIComponent(id)}/${name}`, body);
export const videoUrl = (id, from) => `/live/${encodeURIComponent(id)}/video.mp4?from=${from}`;

const EVENTS = ["started", "chunk", "update_applied", "state_changed", "budget_changed", "warning", "finished", "server",
  "ended"];

// Calls on(name, message) for each event. Returns a function that stops listening. The browser connects again by itself.
export function follow(id, on) {
  const source = new EventSource(`/live/${encodeURIComponent(id)}/events`);
  for (const name of EVENTS) {
    source.addEventListener(name, (event) => {
      if (name === "ended") source.close();
      on(name, JSON.parse(event.data));
    });
  }
  source.addEventListener("error", () => on("connection", { open: source.readyState !== EventSource.CLOSED }));
  source.addEventListener("open", () => on("connected", {}));
  return () => source.close();
}

// "1.250s" and 64-bit numbers come as strings.
export const seconds = (text) => (text === undefined || text === null ? null : parseFloat(text));

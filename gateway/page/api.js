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
    throw new ApiError({ message: "The gateway does not answer", reason: "GATEWAY_LOST" }, true);
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

// Addresses of a session's video: from a chunk on, and as HLS.
export const videoLinks = (id) => ({
  video: (from) => `/live/${encodeURIComponent(id)}/video.mp4?from=${from}`,
  playlist: `/live/${encodeURIComponent(id)}/index.m3u8`,
});

const EVENTS = ["started", "chunk", "update_applied", "state_changed", "budget_changed", "warning", "finished", "server",
  "ended"];

const RETRY_MILLISECONDS = 2000;

// Calls on(name, message) for each event. Returns a function that stops listening. A connection that breaks is made
// again, by the browser, and where it was refused by us; a session that the gateway has forgotten has ended.
export function follow(id, on) {
  let source = null;
  let timer = null;
  let next = 0; // the number of the first event that has not come
  const open = () => {
    source = new EventSource(`/live/${encodeURIComponent(id)}/events?from=${next}`);
    for (const name of EVENTS) {
      source.addEventListener(name, (event) => {
        next = Number(event.lastEventId) + 1;
        if (name === "ended") source.close();
        on(name, JSON.parse(event.data));
      });
    }
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) timer = setTimeout(openAgain, RETRY_MILLISECONDS);
      on("connection", {});
    });
    source.addEventListener("open", () => on("connected", {}));
  };
  const openAgain = async () => {
    try {
      await getSession(id);
    } catch (error) {
      if (error.reason === "NO_SUCH_SESSION") return on("ended", { ok: false, error });
    }
    if (timer !== null) open();
  };
  open();
  return () => {
    clearTimeout(timer);
    timer = null;
    source.close();
  };
}

// "1.250s" and 64-bit numbers come as strings.
export const seconds = (text) => (text === undefined || text === null ? null : parseFloat(text));

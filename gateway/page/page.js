// The page: what is pressed, what is shown.
import { getInfo, getSession, seconds, startSession, videoLinks } from "./api.js";
import { Graph } from "./graph.js";
import { Live } from "./live.js";
import { Meeting } from "./player.js";
import { ContactSheet } from "./sheet.js";

const $ = (id) => document.getElementById(id);
const INFO_INTERVAL_LOST = 2000;
const INFO_INTERVAL = 15000;

const state = { live: null, dense: null, meeting: null, info: null, paused: false, waiting: false, starting: false, lost: false, away: false };
const graph = new Graph($("graph"));
const sheet = new ContactSheet($("sheet"), $("video"));

// For people who look at the page by program: figures that it shows, and nothing secret.
window.videodiffcr = { state };

// --- what is told -------------------------------------------------------------------------------------------------

function log(text) {
  const entry = document.createElement("li");
  const time = document.createElement("time");
  time.textContent = new Date().toLocaleTimeString() + " ";
  entry.append(time, text);
  $("log").append(entry);
  while ($("log").children.length > 200) $("log").firstChild.remove();
  $("log").scrollTop = $("log").scrollHeight;
}

function notice(text) {
  $("notice").textContent = text.charAt(0).toUpperCase() + text.slice(1);
  $("notice").hidden = !text;
}

function showError(error) {
  notice(error.reason ? `${error.message} (${error.reason})` : error.message);
  if (error.lost) setTimeout(askServer, 0);
}

function showServer(kind, text) {
  $("server").dataset.state = kind;
  $("server").textContent = text;
}

// --- the server ---------------------------------------------------------------------------------------------------

async function askServer() {
  clearTimeout(askServer.timer);
  try {
    const info = await getInfo();
    const sessions = info.active_sessions === 1 ? "1 active session" : `${info.active_sessions} active sessions`;
    showServer("ready", `${info.model.name} on ${info.device}, ${sessions}`);
    if (state.lost) {
      if (!state.away) notice("");
      log("The server is back.");
    }
    state.lost = false;
    if (state.info === null) showModel(info);
    state.info = info;
  } catch (error) {
    state.lost = true;
    showServer("lost", "No server");
    notice(`${error.message}. Trying again …`);
  }
  askServer.timer = setTimeout(askServer, state.lost ? INFO_INTERVAL_LOST : INFO_INTERVAL);
}

function showModel({ model }) {
  const budgets = model.budgets.map((budget) => budget.nominal);
  if (budgets.length > 1) {
    $("budget").min = Math.min(...budgets);
    $("budget").step = Math.abs(budgets[0] - budgets[1]).toFixed(4);
  }
  $("examples").replaceChildren(...model.example_prompts.slice(0, 6).map((prompt) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = prompt;
    button.addEventListener("click", () => {
      $("prompt").value = prompt;
      running() ? changePrompt() : $("controls").requestSubmit();
    });
    return button;
  }));
  $("vocabulary").textContent = model.vocabulary.join(" ");
  $("knows").hidden = model.vocabulary.length === 0;
}

// --- a session ----------------------------------------------------------------------------------------------------

const running = () => state.live !== null && !state.live.over;
const lives = () => [state.live, state.dense].filter((live) => live !== null && !live.over);

function showButtons() {
  const on = running();
  for (const id of ["change", "cut", "pause", "finish"]) $(id).disabled = !on;
  for (const id of ["save-video", "save-sheet", "copy-link"]) $(id).disabled = state.live === null;
  $("watch-link").disabled = !on;
  $("pause").textContent = state.paused ? "Go on" : "Pause";
  $("pause").setAttribute("aria-pressed", String(state.paused));
  $("start").textContent = on ? "Start anew" : "Start";
}

function describeRetention({ nominal, executed }) {
  return `budget ${Number(nominal).toFixed(2)}, executed ${Number(executed).toFixed(3)}`;
}

function handleChunk(message) {
  if (state.waiting) log("It has a place now.");
  state.waiting = false;
  const slack = seconds(message.slack);
  const time = seconds(message.timings.total);
  const due = seconds(message.presentation_duration);
  graph.add({ slack, time, due });
  $("figures").textContent = `Chunk ${message.sequence}: ${time.toFixed(3)} s for ${due.toFixed(2)} s of video` +
    (slack === null ? "" : `, slack ${slack.toFixed(2)} s`) + `, ${describeRetention(message.retention)}`;
}

// The session goes on by itself, and what is there of the video plays meanwhile.
function handleServer({ state: where, server, handed_over: handedOver }) {
  state.away = where === "away";
  if (state.away) {
    notice("The server went away, going on at another …");
    log(`The server ${server} went away.`);
  } else {
    notice("");
    log(handedOver ? `Going on at ${server}.` : "The connection to the server is back.");
  }
  askServer();
}

function handleEnd(message) {
  if (message.ok) {
    log("The session has ended.");
  } else {
    const { error } = message;
    showError({ message: error.message, reason: error.reason, lost: error.status === "UNAVAILABLE" });
    log(`The session ended: ${error.message}`);
  }
  state.paused = false;
  state.away = false;
  showButtons();
}

// Another viewer may have paused it.
function handleState({ state: to, reason }) {
  if (to === "SESSION_STATE_WAITING") log(`Waiting: ${reason}.`);
  state.waiting = to === "SESSION_STATE_WAITING";
  setPaused(to === "SESSION_STATE_PAUSED");
}

function onEvent(name, message) {
  if (name === "chunk") handleChunk(message);
  if (name === "applied") log(`${message.what}: applied from second ${message.time.toFixed(1)}`);
  if (name === "budget_changed" && message.origin === "BUDGET_ORIGIN_SERVER") {
    log(`The server set the budget to ${message.retention_target}: ${message.reason}`);
  }
  if (name === "warning") {
    const unknown = message.reason === "UNKNOWN_WORDS";
    log(unknown ? `The model does not know: ${message.details.join(", ")}.` : message.message);
    if (unknown) $("knows").open = true;
  }
  if (name === "state_changed") handleState(message);
  if (name === "finished") log(`Done: ${message.frames} frames, ${describeRetention(message.retention)}`);
  if (name === "server") handleServer(message);
  if (name === "ended") handleEnd(message);
  if (name === "connection" && running()) {
    notice("The connection to the gateway is lost. Trying again …");
    state.lost = true;
    askServer();
  }
  if (name === "connected" && state.lost) askServer();
}

// The events of the dense twin are told only where they hold it up or end it; the other does not wait for it then.
function onDenseEvent(name, message) {
  if (name === "state_changed" || name === "ended") state.meeting?.open();
  if (name === "state_changed" && message.state === "SESSION_STATE_WAITING") {
    $("dense-time").textContent = "waits";
    log(`The dense session waits: ${message.reason}.`);
  }
  if (name === "chunk") $("dense-time").textContent = `${seconds(message.timings.total).toFixed(3)} s a chunk`;
  if (name === "ended" && !message.ok) log(`The dense session ended: ${message.error.message}`);
}

function stopAll() {
  for (const live of [state.live, state.dense]) if (live !== null) live.stop();
  state.live = null;
  state.dense = null;
  state.paused = false;
  state.waiting = false;
  state.away = false;
}

function show(described, video, on, from, own, meeting = null) {
  const live = new Live(described, video, on, own, meeting);
  live.start(from).catch((error) => {
    if (error.name !== "AbortError" && !live.over) showError(error);
  });
  return live;
}

async function start(request) {
  if (state.starting) return; // Enter was pressed twice
  state.starting = true;
  notice("");
  stopAll();
  graph.clear();
  sheet.clear();
  $("link").hidden = true;
  $("dense-time").textContent = "";
  $("start").disabled = true;
  try {
    const described = await startSession(request);
    state.meeting = $("compare").checked ? new Meeting(2) : null;
    state.live = show(described, $("video"), onEvent, 0, true, state.meeting);
    $("caption").textContent = request.prompt;
    log(`Started: “${request.prompt}”, seed ${described.request.seed}`);
    $("dense-figure").hidden = state.meeting === null;
    if (state.meeting !== null) {
      const dense = await startSession({ ...request, budget: 1, floor: undefined, seed: described.request.seed });
      state.dense = show(dense, $("dense"), onDenseEvent, 0, true, state.meeting);
    }
  } catch (error) {
    state.meeting?.open(); // nobody else comes
    showError(error);
  }
  state.starting = false;
  $("start").disabled = false;
  showButtons();
  askServer();
}

async function join(id) {
  if (state.live !== null && state.live.id === id) return log("This video is it.");
  stopAll();
  try {
    const described = await getSession(id);
    if (!described.started) throw new Error("The session has not begun.");
    $("prompt").value = described.request.prompt;
    $("caption").textContent = described.request.prompt;
    const over = described.state === "finished" || described.state === "failed";
    state.live = show(described, $("video"), onEvent, over ? 0 : "live", false);
    state.live.over = over;
    log(over ? "Watching what has ended." : "Watching along.");
  } catch (error) {
    showError(error);
  }
  showButtons();
}

// --- controls -----------------------------------------------------------------------------------------------------

// Whether it was taken.
async function ask(name, body, what) {
  try {
    await Promise.all(lives().map((live) => live.ask(name, body, what)));
    return true;
  } catch (error) {
    showError(error);
    return false;
  }
}

function changePrompt() {
  const prompt = $("prompt").value.trim();
  $("caption").textContent = prompt;
  return ask("prompt", { prompt }, `Prompt “${prompt}”`);
}

async function changeBudget() {
  const budget = Number($("budget").value);
  try {
    if (running()) await state.live.ask("budget", { budget }, `Budget ${budget.toFixed(2)}`);
  } catch (error) {
    showError(error);
  }
}

async function togglePause() {
  const pausing = !state.paused;
  if (await ask(pausing ? "pause" : "unpause", {})) setPaused(pausing);
}

function setPaused(paused) {
  if (state.paused === paused || !running()) return;
  state.paused = paused;
  showButtons();
  for (const { video } of lives()) paused ? video.pause() : video.play().catch(() => {});
  log(paused ? "Paused." : "Going on.");
}

// --- to keep ------------------------------------------------------------------------------------------------------

function saveFrom(url, name) {
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
}

function saveFile(blob, name) {
  const url = URL.createObjectURL(blob);
  saveFrom(url, name);
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

function saveVideo() {
  const { id, player } = state.live;
  const file = player.file();
  file !== null ? saveFile(file, "videodiffcr.mp4") : saveFrom(videoLinks(id).video(0), "videodiffcr.mp4");
}

function showLink(fragment) {
  const url = new URL("/", location.href);
  url.hash = fragment;
  $("link").href = url.href;
  $("link").textContent = url.href;
  $("link").hidden = false;
  if (navigator.clipboard) navigator.clipboard.writeText(url.href).then(() => log("The link is copied."), () => {});
}

async function showReplayLink() {
  try {
    const { request } = await getSession(state.live.id);
    showLink("replay=" + encodeURIComponent(JSON.stringify(request)));
  } catch (error) {
    showError(error);
  }
}

function openLink() {
  const parameters = new URLSearchParams(location.hash.slice(1));
  if (parameters.has("live")) join(parameters.get("live"));
  if (!parameters.has("replay")) return;
  const request = readReplay(parameters.get("replay"));
  if (request === null) return notice("This link holds no video.");
  $("prompt").value = request.prompt;
  $("seed").value = request.seed ?? "";
  $("budget").value = request.budget ?? 1;
  showBudget();
  start(request);
}

function readReplay(text) {
  try {
    const request = JSON.parse(text);
    return typeof request.prompt === "string" ? request : null;
  } catch {
    return null;
  }
}

// --- wiring -------------------------------------------------------------------------------------------------------

function showBudget() {
  $("budget-value").textContent = Number($("budget").value).toFixed(2);
}

$("controls").addEventListener("submit", (event) => {
  event.preventDefault();
  const seed = $("seed").value.trim();
  start({ prompt: $("prompt").value.trim(), budget: Number($("budget").value), ...(seed ? { seed } : {}) });
});
$("prompt").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return; // in a word that is still being composed
  event.preventDefault();
  running() ? changePrompt() : $("controls").requestSubmit();
});
$("change").addEventListener("click", changePrompt);
$("cut").addEventListener("click", () => {
  const prompt = $("prompt").value.trim();
  $("caption").textContent = prompt;
  ask("scene-cut", { prompt }, `Scene “${prompt}”`);
});
$("pause").addEventListener("click", togglePause);
$("finish").addEventListener("click", () => ask("finish", {}));
$("budget").addEventListener("input", showBudget);
$("budget").addEventListener("change", changeBudget);
$("save-video").addEventListener("click", saveVideo);
$("save-sheet").addEventListener("click", async () => saveFile(await sheet.file(), "videodiffcr.png"));
$("copy-link").addEventListener("click", showReplayLink);
$("watch-link").addEventListener("click", () => showLink("live=" + state.live.id));
$("video").addEventListener("timeupdate", () => {
  $("clock").textContent = `${$("video").currentTime.toFixed(1)} s`;
  sheet.look();
});
window.addEventListener("hashchange", openLink);

showButtons();
graph.draw();
askServer().then(openLink);

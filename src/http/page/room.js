// A room: the stream's facts, the live count, the chat, the state of the connection; the owner's controls.

import { api, roomUrl, session } from "./api.js";
import { ChatList } from "./chat-list.js";
import { $, age, ago, avatar, counted, once, paint, repeat, say, showProblem } from "./dom.js";
import { followButton } from "./follows.js";
import { NovaRoom } from "./nova-client.js";

const HEARTBEAT = 60_000;
const HISTORY = 50;
const REFUSALS = {
  auth_required: "Sign in to chat.",
  forbidden: "You may not write here.",
  banned: "You are banned from this chat.",
  timed_out: "You may not write for now.",
  slow_mode: "Slow mode is on.",
  rate_limited: "That was too fast.",
  too_long: "A message has at most 500 characters.",
  empty: "Write something first.",
  ended: "The stream has ended.",
  unavailable: "The chat is not available right now.",
  timeout: "No answer in time; it is not known whether it arrived. Trying again does not send it twice.",
  internal: "The server had a problem.",
};
const STOPS = {
  ended: "The stream has ended",
  not_found: "There is no such stream",
  unauthorized: "Your sign-in is no longer valid. Sign in again to chat.",
  forbidden: "You are not allowed in this room",
  flooding: "Disconnected: too many messages",
};

const view = $('[data-view="room"]');
const chat = new ChatList();
const form = $("[data-chat-form]", view);
let open = null; // the room on the screen: { id, room, stream, live, stops }

function enter(id) {
  const mine = { id, room: null, stream: null, live: null, older: null, stops: [] };
  open = mine;
  blank();
  start(mine);
  return () => {
    open = null;
    mine.room?.close();
    mine.stops.forEach((stop) => stop());
  };
}

function blank() {
  chat.clear();
  showProblem($("[data-room-problem]"), null);
  for (const name of ["creator", "category", "age", "description", "viewers", "cover-letter", "screen-note"]) {
    say($(`[data-${name}]`, view), "");
  }
  for (const name of ["owner", "follow", "older", "reconnect"]) $(`[data-${name}]`, view).hidden = true;
  view.dataset.missing = "false";
  avatar($("[data-avatar]", view), "?");
  paint($("[data-cover]", view), "");
  say($("[data-title]", view), "Opening the room");
  say($("[data-chat-problem]"), "");
  setStatus(null);
  connection("idle", "");
  showComposer();
}

async function start(mine) {
  try {
    mine.stream = await api.stream(mine.id);
    if (open !== mine) return;
    showStream(mine);
  } catch (problem) {
    if (open !== mine) return;
    showProblem($("[data-room-problem]"), problem);
    if (problem.status === 404 || problem.status === 400) {
      say($("[data-title]", view), "There is no such stream");
      view.dataset.missing = "true";
      return connection("stopped", "Not connected");
    }
  }
  if (mine.stream?.status === "ended") {
    setStatus("ended");
    connection("stopped", STOPS.ended);
    return history(mine);
  }
  listen(mine);
  mine.room.connect();
  const wake = () => mine.room.connect();
  addEventListener("online", wake);
  mine.stops.push(() => removeEventListener("online", wake));
  mine.stops.push(repeat(10_000, () => mine.stream && showAge(mine)));
}

function listen(mine) {
  const room = new NovaRoom({ url: roomUrl(mine.id), token: () => session.current?.token ?? null });
  mine.room = room;
  const on = (type, act) => room.addEventListener(type, ({ detail }) => open === mine && act(detail));
  let first = true;
  on("connection", (now) => showConnection(mine, now));
  on("welcome", (welcome) => {
    say($("[data-title]", view), welcome.room.title);
    setViewers(welcome.room.viewers);
    setStatus(welcome.room.state);
    if (!first && welcome.resume === "ok") chat.note("Reconnected. Nothing was missed.", room.seq);
    if (first) history(mine);
    first = false;
  });
  on("state", ({ viewers }) => setViewers(viewers));
  on("event", (event) => happened(mine, event));
  on("gap", ({ from, to }) => {
    chat.note(`Caught up after ${counted(to - from + 1, "missed event")}.`, to);
    history(mine);
  });
  on("reset", () => {
    chat.note("Joined anew. Earlier messages were loaded again.", room.seq);
    history(mine);
  });
  on("refused", ({ code }) => say($("[data-chat-problem]"), REFUSALS[code] ?? `The server refused: ${code}`));
}

function happened(mine, { seq, t, kind, data }) {
  if (kind === "chat") chat.add({ ...data, t, seq });
  else if (kind === "del" || kind === "gone") chat.remove(data.m);
  else if (kind === "mute") chat.mute(data.u);
  else if (kind === "info") {
    say($("[data-title]", view), data.title);
    say($("[data-category]", view), data.category);
  } else if (kind === "status") {
    setStatus(data.state);
    if (data.state === "ended") chat.note("The stream has ended.", seq);
  }
}

async function history(mine, before = null) {
  try {
    const page = await api.chat(mine.id, { before, limit: HISTORY });
    if (open !== mine) return;
    chat.merge(page.messages);
    if (before || mine.older === null) mine.older = page.next;
    $("[data-older]", view).hidden = !mine.older;
  } catch (problem) {
    if (open === mine) showProblem($("[data-room-problem]"), problem);
  }
}

function showStream(mine) {
  const { stream } = mine;
  const { creator } = stream;
  document.title = `${stream.title} · Nova`;
  say($("[data-title]", view), stream.title);
  say($("[data-creator]", view), creator.username);
  avatar($("[data-avatar]", view), creator.username);
  paint($("[data-cover]", view), stream.title);
  say($("[data-cover-letter]", view), [...creator.username][0] ?? "");
  say($("[data-category]", view), stream.category);
  say($("[data-description]", view), stream.description ?? "");
  setViewers(stream.current_viewers);
  setStatus(stream.status);
  followButton($("[data-follow]", view), creator);
  showAge(mine);
  if (stream.status === "live" && session.current?.id === creator.id) own(mine);
}

function showAge({ stream, live }) {
  const ended = live === "ended" && stream.ended_at;
  say($("[data-age]", view), ended ? `ended ${ago(stream.ended_at)}` : `live for ${age(stream.started_at)}`);
}

/** The owner's part: a life sign a minute, whether or not the page is in front, and the End button. */
function own(mine) {
  $("[data-owner]", view).hidden = false;
  const beat = () =>
    api.heartbeat(mine.id).catch((problem) => {
      if (open === mine && mine.live === "live") showProblem($("[data-room-problem]"), problem);
    });
  beat();
  const timer = setInterval(beat, HEARTBEAT);
  mine.stops.push(() => clearInterval(timer));
}

async function endStream() {
  const mine = open;
  $("[data-end-dialog]").close();
  try {
    mine.stream = await api.end(mine.id);
    if (open === mine) setStatus("ended");
  } catch (problem) {
    if (open === mine) showProblem($("[data-room-problem]"), problem);
  }
}

function setStatus(state) {
  const node = $("[data-status]", view);
  node.dataset.state = state ?? "unknown";
  say(node, { live: "Live", ended: "Ended" }[state] ?? "…");
  $("[data-cover]", view).dataset.state = state ?? "unknown";
  if (state === "live") say($("[data-screen-note]", view), "No video yet: this room is its chat.");
  const before = open?.live;
  if (open) open.live = state;
  if (state !== "ended" || before === "ended") return;
  $("[data-owner]", view).hidden = true;
  say($("[data-viewers]", view), "");
  const mine = open;
  showComposer();
  api.stream(mine.id).then((stream) => {
    if (open !== mine) return;
    mine.stream = stream;
    const why = stream.ended_reason === "abandoned" ? "It was ended because nobody was there. " : "";
    say($("[data-screen-note]", view), `${why}At most ${counted(stream.peak_viewers, "viewer")} at once.`);
    showAge(mine);
  }, (problem) => open === mine && showProblem($("[data-room-problem]"), problem));
}

function setViewers(count) {
  const node = $("[data-viewers]", view);
  node.dataset.count = count;
  say(node, counted(count, "viewer"));
}

function showConnection(mine, { state, delay, attempt, why }) {
  $("[data-reconnect]", view).hidden = state !== "waiting";
  if (state === "open") connection(state, "Connected");
  else if (state === "connecting") connection(state, attempt ? "Reconnecting…" : "Connecting…");
  else if (state === "waiting") connection(state, delay < 1_000 ? "Reconnecting…" : `Reconnecting in ${Math.ceil(delay / 1000)} s`);
  else {
    connection(state, STOPS[why] ?? `Not connected (${why})`);
    if (why === "ended") setStatus("ended");
    if (why === "unauthorized") session.set(null);
  }
  showComposer();
}

function connection(state, text) {
  $("[data-connection]", view).dataset.state = state;
  say($("[data-connection-text]", view), text);
}

function showComposer() {
  const over = !open || open.live === "ended" || (open.room && open.room.state === "stopped");
  form.hidden = over || !session.current;
  $("[data-chat-sign-in]", view).hidden = over || Boolean(session.current);
  $("[data-chat-sign-in] a", view).href = `#/sign-in?next=${encodeURIComponent(location.hash)}`;
}

function send(mine, text) {
  const me = session.current;
  const key = crypto.getRandomValues(new Uint32Array(4)).join("-");
  const row = chat.pending({ u: me.id, n: me.username, x: text });
  const attempt = () =>
    mine.room.chat(text, key).then(
      ({ m, seq }) => open === mine && row.sent({ m, u: me.id, n: me.username, x: text, t: Date.now(), seq }),
      (refusal) => {
        const wait = refusal.retryMs ? ` Try again in ${Math.ceil(refusal.retryMs / 1000)} s.` : "";
        const words = REFUSALS[refusal.code] ?? `Refused: ${refusal.code}.`;
        row.failed(words + wait, refusal.temp ? attempt : null);
      },
    );
  attempt();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const field = form.elements.text;
  const text = field.value.trim();
  say($("[data-chat-problem]"), text ? "" : REFUSALS.empty);
  if (!text || !open?.room) return;
  field.value = "";
  send(open, text);
});
$("[data-older]", view).addEventListener("click", (e) => once(e.currentTarget, () => open && history(open, open.older)));
$("[data-reconnect]", view).addEventListener("click", () => open?.room?.connect());
$("[data-end]", view).addEventListener("click", () => $("[data-end-dialog]").showModal());
$("[data-end-no]").addEventListener("click", () => $("[data-end-dialog]").close());
$("[data-end-yes]").addEventListener("click", (e) => once(e.currentTarget, endStream));

export const room = { open: enter };

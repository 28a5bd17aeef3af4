// A client for the viewer protocol `nova.v1`, in one file without dependencies.
//
//   const room = new NovaRoom({ url, token: () => "…" });
//   room.addEventListener("event", (e) => …);     // e.detail = { seq, t, kind, data }
//   room.connect();
//   const { m, seq } = await room.chat("hello");  // settles once, whatever the connection does meanwhile
//
// Events (all CustomEvent): `connection` {state, …}, `welcome` (the server's frame), `event` {seq, t, kind, data},
// `state` (counts), `gap` {from, to, why}, `reset` {why}, `refused` {code, …}, `expiring` {in_ms}.
// Connection states: connecting, open, waiting {delay, attempt, code}, stopped {code, why}.

/** Pauses between attempts in milliseconds: a random part of min(cap, base * 2^attempt), so that crowds spread out. */
const BACKOFF = {
  resume: { base: 300, cap: 15_000 },
  fresh: { base: 300, cap: 15_000 },
  later: { base: 2_000, cap: 60_000 },
};
const WELCOME_DEADLINE = 10_000;
const BEAT_EVERY = 30_000;
const CHAT_DEADLINE = 30_000;
const CHAT_RETRY = 1_000;
const MAX_PENDING = 16;
/** A connection that lived this long was a good one: the next loss starts counting from zero. */
const STEADY = 5_000;

const STOP_REASONS = {
  4400: "bad_frame",
  4401: "unauthorized",
  4403: "forbidden",
  4404: "not_found",
  4410: "ended",
  4413: "too_large",
  4429: "flooding",
};

/** Why a chat was not accepted: `code` is the protocol's error code, `retryMs` says when to try again, if ever. */
export class NovaRefusal extends Error {
  constructor(code, { temp = false, retryMs = null, field = null } = {}) {
    super(code);
    this.name = "NovaRefusal";
    this.code = code;
    this.temp = temp;
    this.retryMs = retryMs;
    this.field = field;
  }
}

/** What a close code asks of the client: `resume`, `fresh`, `stop` or `later`. */
export function afterClose(code) {
  if (code >= 4200 && code < 4300) return "fresh";
  if (code >= 4400 && code < 4500) return "stop";
  if (code >= 4500 && code < 4600) return "later";
  return "resume"; // 40xx, and everything that is not the protocol's: network loss, a proxy, a restart
}

/** A viewer of one room: keeps the connection, the place in the sequence, and the chats on their way. */
export class NovaRoom extends EventTarget {
  #url;
  #token;
  #socket = null;
  #state = "idle";
  #epoch = null;
  #seq = 0;
  #joined = false;
  #attempt = 0;
  #openedAt = null;
  #heardAt = 0;
  #hbMs = 25_000;
  #nextId = 1;
  #pending = new Map(); // key -> { key, text, id, deadline, retry, resolve, reject }
  #timers = { welcome: null, reconnect: null, beat: null, watch: null };

  /** `url`: the room's WebSocket address. `token`: a function that gives the current token, or null to only watch. */
  constructor({ url, token = () => null }) {
    super();
    this.#url = url;
    this.#token = token;
  }

  /** The last sequence number that was delivered or accounted for. */
  get seq() {
    return this.#seq;
  }

  get state() {
    return this.#state;
  }

  /** Opens the connection now; also ends a pause between two attempts early. */
  connect() {
    if (this.#socket || this.#state === "stopped") return;
    this.#clear("reconnect");
    this.#move("connecting", { attempt: this.#attempt });
    const socket = new WebSocket(this.#url, "nova.v1");
    this.#socket = socket;
    socket.addEventListener("open", () => this.#hello());
    socket.addEventListener("message", (e) => this.#socket === socket && this.#receive(e.data));
    socket.addEventListener("close", (e) => this.#socket === socket && this.#closed(e.code));
    this.#timers.welcome = setTimeout(() => this.#drop(socket), WELCOME_DEADLINE);
  }

  /** Leaves for good. Chats still on their way are rejected with `left`. */
  close() {
    const socket = this.#socket;
    this.#socket = null;
    this.#stop(1000, "left");
    socket?.close(1000);
  }

  /** Sends a chat. The same `key` again gives the same answer, so a repeat after a lost connection is safe. */
  chat(text, key = crypto.randomUUID?.() ?? `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`) {
    if (this.#state === "stopped") return Promise.reject(new NovaRefusal("ended"));
    if (this.#pending.size >= MAX_PENDING) {
      return Promise.reject(new NovaRefusal("rate_limited", { temp: true }));
    }
    return new Promise((resolve, reject) => {
      const chat = { key, text, id: 0, retry: null, resolve, reject };
      chat.deadline = setTimeout(
        () => this.#settle(chat, () => reject(new NovaRefusal("timeout", { temp: true }))),
        CHAT_DEADLINE,
      );
      this.#pending.set(key, chat);
      if (this.#state === "open") this.#sendChat(chat);
    });
  }

  #hello() {
    const hello = { op: "hello", id: this.#nextId++ };
    const token = this.#token();
    if (token) hello.token = token;
    if (this.#joined) hello.resume = { epoch: this.#epoch, seq: this.#seq };
    this.#send(hello);
  }

  #send(frame) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  #sendChat(chat) {
    chat.id = this.#nextId++;
    this.#send({ op: "chat", id: chat.id, key: chat.key, x: chat.text });
  }

  #receive(text) {
    this.#heardAt = performance.now();
    const frame = JSON.parse(text);
    if (frame.op === "welcome") this.#welcome(frame);
    else if (frame.op === "log") this.#log(frame);
    else if (frame.op === "state") this.#emit("state", frame);
    else if (frame.op === "skip") this.#skipped(frame);
    else if (frame.op === "ok") this.#accepted(frame);
    else if (frame.op === "err") this.#refused(frame);
    else if (frame.op === "move") this.#moving(frame.in_ms);
    else if (frame.op === "expiring") this.#emit("expiring", frame);
    // `k` only says that the server is there; unknown operations belong to a newer server.
  }

  #welcome(frame) {
    this.#clear("welcome");
    const first = !this.#joined;
    const lost = this.#joined && frame.resume === "fresh";
    if (first || lost) this.#seq = frame.seq;
    this.#epoch = frame.epoch;
    this.#joined = true;
    this.#hbMs = frame.hb_ms;
    this.#openedAt = performance.now();
    this.#move("open", { resumed: !first && !lost });
    this.#emit("welcome", frame);
    if (lost) this.#emit("reset", { why: "fresh" });
    if (frame.resume === "gap" && frame.missed) this.#missed(frame.missed.from, frame.missed.to, "gap");
    this.#beat();
    this.#clear("watch");
    this.#timers.watch = setInterval(() => this.#watch(), Math.max(1_000, this.#hbMs / 4));
    for (const chat of this.#pending.values()) this.#sendChat(chat);
  }

  #beat() {
    this.#clear("beat");
    const beat = () => this.#send({ op: "beat", vis: document.visibilityState === "visible" });
    beat();
    this.#timers.beat = setInterval(beat, BEAT_EVERY);
  }

  /** The server speaks at least every `hb_ms`; twice that without a word means that the line is dead. */
  #watch() {
    if (performance.now() - this.#heardAt > 2 * this.#hbMs) this.#drop(this.#socket);
  }

  #log(frame) {
    const [first] = frame.seq;
    if (first > this.#seq + 1) this.#missed(this.#seq + 1, first - 1, "hole");
    frame.ev.forEach(([kind, data], index) => {
      const seq = first + index;
      if (seq <= this.#seq) return; // already delivered
      this.#seq = seq;
      this.#emit("event", { seq, t: frame.t, kind, data });
    });
  }

  #skipped(frame) {
    const [from, to] = frame.seq;
    this.#missed(Math.max(from, this.#seq + 1), to, frame.why);
  }

  #missed(from, to, why) {
    if (to <= this.#seq) return;
    this.#seq = to;
    this.#emit("gap", { from, to, why });
  }

  #accepted(frame) {
    const chat = this.#byId(frame.re);
    if (chat) this.#settle(chat, () => chat.resolve({ m: frame.m, seq: frame.seq }));
  }

  #refused(frame) {
    const chat = this.#byId(frame.re);
    if (!chat) {
      this.#emit("refused", frame);
    } else if (frame.temp && frame.code === "unavailable") {
      clearTimeout(chat.retry);
      chat.retry = setTimeout(
        () => this.#state === "open" && this.#sendChat(chat),
        frame.retry_ms ?? CHAT_RETRY * (0.5 + Math.random()),
      );
    } else {
      const refusal = { temp: frame.temp, retryMs: frame.retry_ms ?? null, field: frame.field ?? null };
      this.#settle(chat, () => chat.reject(new NovaRefusal(frame.code, refusal)));
    }
  }

  #byId(id) {
    return [...this.#pending.values()].find((chat) => chat.id === id);
  }

  #settle(chat, finish) {
    clearTimeout(chat.deadline);
    clearTimeout(chat.retry);
    if (this.#pending.get(chat.key) === chat) this.#pending.delete(chat.key);
    finish();
  }

  /** The server is about to drain: come back a little before the moment it names. */
  #moving(inMs) {
    const socket = this.#socket;
    setTimeout(() => this.#drop(socket), Math.max(0, inMs * 0.9));
  }

  /** Gives a socket up without waiting for the other side's close, and goes on as after a lost connection. */
  #drop(socket) {
    if (!socket || this.#socket !== socket) return;
    socket.close();
    this.#closed(1006);
  }

  #closed(code) {
    this.#socket = null;
    for (const name of ["welcome", "beat", "watch"]) this.#clear(name);
    const next = afterClose(code);
    if (next === "stop") return this.#stop(code, STOP_REASONS[code] ?? "refused");
    if (next === "fresh" && this.#joined) {
      this.#joined = false;
      this.#emit("reset", { why: code === 4200 ? "epoch" : "history" });
    }
    if (this.#openedAt !== null && performance.now() - this.#openedAt > STEADY) this.#attempt = 0;
    this.#openedAt = null;
    const { base, cap } = BACKOFF[next];
    const delay = Math.random() * Math.min(cap, base * 2 ** Math.min(this.#attempt, 16));
    this.#attempt += 1;
    this.#timers.reconnect = setTimeout(() => this.connect(), delay);
    this.#move("waiting", { delay, attempt: this.#attempt, code });
  }

  #stop(code, why) {
    for (const name of Object.keys(this.#timers)) this.#clear(name);
    for (const chat of [...this.#pending.values()]) {
      this.#settle(chat, () => chat.reject(new NovaRefusal(why)));
    }
    this.#move("stopped", { code, why });
  }

  #clear(name) {
    clearTimeout(this.#timers[name]); // also ends intervals
    this.#timers[name] = null;
  }

  #move(state, more) {
    this.#state = state;
    this.#emit("connection", { state, ...more });
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

// The room client against a scripted server: what it does with each close code, with holes, repeats and refusals.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { afterEach, beforeEach, mock, test } from "node:test";

const source = await readFile(new URL("../../src/http/page/nova-client.js", import.meta.url), "utf8");
const { NovaRoom, afterClose } = await import(`data:text/javascript,${encodeURIComponent(source)}`);

class FakeSocket extends EventTarget {
  static OPEN = 1;
  static all = [];
  sent = [];
  readyState = 0;

  constructor(url, protocol) {
    super();
    Object.assign(this, { url, protocol });
    FakeSocket.all.push(this);
  }
  send(text) {
    this.sent.push(JSON.parse(text));
  }
  close() {
    this.readyState = 3;
  }
  open() {
    this.readyState = 1;
    this.dispatchEvent(new Event("open"));
  }
  say(frame) {
    this.dispatchEvent(Object.assign(new Event("message"), { data: JSON.stringify(frame) }));
  }
  drop(code) {
    this.readyState = 3;
    this.dispatchEvent(Object.assign(new Event("close"), { code }));
  }
  welcome(more = {}) {
    this.open();
    this.say({ op: "welcome", re: 1, epoch: "e1", seq: 10, resume: "fresh", hb_ms: 25_000, room: {}, ...more });
  }
  frames(op) {
    return this.sent.filter((frame) => frame.op === op);
  }
}

const socket = () => FakeSocket.all.at(-1);
const chatEvent = (x) => ["chat", { m: `m-${x}`, u: "u1", n: "ann", x }];

function join() {
  const room = new NovaRoom({ url: "ws://nova/ws/v1/streams/1", token: () => "token-1" });
  const seen = [];
  for (const type of ["connection", "welcome", "event", "state", "gap", "reset", "refused"]) {
    room.addEventListener(type, ({ detail }) => seen.push({ type, ...detail }));
  }
  room.connect();
  const of = (type) => seen.filter((one) => one.type === type);
  return { room, of, texts: () => of("event").map(({ data }) => data.x) };
}

/** Runs the timers until the client has opened another socket. */
function reconnected() {
  const before = FakeSocket.all.length;
  for (let waited = 0; FakeSocket.all.length === before && waited < 60_000; waited += 100) mock.timers.tick(100);
  assert.equal(FakeSocket.all.length, before + 1, "it connects once more");
}

beforeEach(() => {
  FakeSocket.all = [];
  globalThis.WebSocket = FakeSocket;
  globalThis.document = { visibilityState: "visible" };
  // Node 18 takes the list itself, later ones an object.
  const apis = ["setTimeout", "setInterval"];
  mock.timers.enable(process.version.startsWith("v18") ? apis : { apis });
});
afterEach(() => mock.timers.reset());

test("it says hello with its token, and nothing to resume at first", () => {
  join();
  socket().open();
  assert.equal(socket().protocol, "nova.v1");
  assert.deepEqual(socket().sent, [{ op: "hello", id: 1, token: "token-1" }]);
});

test("events are delivered once and in order, however often the server repeats them", () => {
  const { texts } = join();
  socket().welcome();
  socket().say({ op: "log", seq: [11, 12], t: 1, ev: [chatEvent("a"), chatEvent("b")] });
  socket().say({ op: "log", seq: [11, 13], t: 1, ev: [chatEvent("a"), chatEvent("b"), chatEvent("c")] });
  assert.deepEqual(texts(), ["a", "b", "c"]);
});

test("a lost connection is resumed after the last event it has", () => {
  const { of, texts } = join();
  socket().welcome();
  socket().say({ op: "log", seq: [11, 11], t: 1, ev: [chatEvent("a")] });
  socket().drop(4002);
  reconnected();
  socket().open();
  assert.deepEqual(socket().sent[0].resume, { epoch: "e1", seq: 11 });
  socket().say({ op: "welcome", re: 2, epoch: "e1", seq: 12, resume: "ok", hb_ms: 25_000, room: {} });
  socket().say({ op: "log", seq: [11, 12], t: 2, ev: [chatEvent("a"), chatEvent("b")] });
  assert.deepEqual(texts(), ["a", "b"]);
  assert.deepEqual(of("gap"), []);
});

test("what cannot be had is named exactly: a gap, a skip, a hole", () => {
  const { of, texts } = join();
  socket().welcome();
  socket().say({ op: "skip", seq: [11, 14], n: 4, why: "slow" });
  socket().say({ op: "log", seq: [15, 15], t: 1, ev: [chatEvent("a")] });
  socket().say({ op: "log", seq: [18, 18], t: 1, ev: [chatEvent("b")] });
  socket().drop(1006);
  reconnected();
  socket().welcome({ seq: 40, resume: "gap", missed: { from: 19, to: 30 } });
  socket().say({ op: "log", seq: [31, 31], t: 1, ev: [chatEvent("c")] });
  const ranges = of("gap").map(({ from, to, why }) => [from, to, why]);
  assert.deepEqual(ranges, [[11, 14, "slow"], [16, 17, "hole"], [19, 30, "gap"]]);
  assert.deepEqual(texts(), ["a", "b", "c"]);
});

test("another epoch means starting over, with numbers that may be lower", () => {
  const { of, texts } = join();
  socket().welcome();
  socket().drop(4200);
  assert.equal(of("reset").length, 1);
  reconnected();
  socket().open();
  assert.equal(socket().sent[0].resume, undefined);
  socket().say({ op: "welcome", re: 2, epoch: "e2", seq: 3, resume: "fresh", hb_ms: 25_000, room: {} });
  socket().say({ op: "log", seq: [4, 4], t: 1, ev: [chatEvent("new")] });
  assert.deepEqual(texts(), ["new"]);
});

test("a resume that the server answers with fresh is told as a reset", () => {
  const { of, texts } = join();
  socket().welcome();
  socket().drop(1006);
  reconnected();
  socket().welcome({ epoch: "e2", seq: 5 });
  assert.deepEqual(of("reset").map(({ why }) => why), ["fresh"]);
  socket().say({ op: "log", seq: [6, 6], t: 1, ev: [chatEvent("after")] });
  assert.deepEqual(texts(), ["after"]);
});

test("each class of close codes asks for its own behaviour", () => {
  const expected = { 4001: "resume", 4004: "resume", 1006: "resume", 1001: "resume", 4200: "fresh", 4201: "fresh",
    4400: "stop", 4401: "stop", 4410: "stop", 4429: "stop", 4500: "later", 4503: "later", 4508: "later" };
  for (const [code, next] of Object.entries(expected)) assert.equal(afterClose(Number(code)), next, code);
});

test("after a final code it stays away, and chats are refused", async () => {
  const { room, of } = join();
  socket().welcome();
  const chat = room.chat("too late");
  socket().drop(4410);
  await assert.rejects(chat, { code: "ended" });
  await assert.rejects(room.chat("later still"), { code: "ended" });
  mock.timers.tick(300_000);
  room.connect();
  assert.equal(FakeSocket.all.length, 1);
  assert.deepEqual(of("connection").at(-1), { type: "connection", state: "stopped", code: 4410, why: "ended" });
});

test("pauses are random within a bound that doubles, and start at zero again after a steady connection", () => {
  mock.method(Math, "random", () => 1);
  let now = 0;
  mock.method(performance, "now", () => now);
  const { of } = join();
  const pauses = () => of("connection").filter(({ state }) => state === "waiting").map(({ delay }) => delay);
  for (let round = 0; round < 8; round += 1) {
    socket().drop(1006);
    reconnected();
  }
  assert.deepEqual(pauses(), [300, 600, 1_200, 2_400, 4_800, 9_600, 15_000, 15_000]);
  socket().welcome();
  now += 6_000;
  socket().drop(1006);
  assert.equal(pauses().at(-1), 300);
  reconnected();
  socket().drop(4503);
  assert.equal(pauses().at(-1), 4_000, "45xx backs off from a longer pause");
  mock.restoreAll();
});

test("a chat is sent again with its key after a reconnect and settles once", async () => {
  const { room } = join();
  socket().welcome();
  const chat = room.chat("hello", "key-1");
  assert.equal(socket().frames("chat").length, 1);
  socket().drop(1006);
  reconnected();
  socket().welcome({ resume: "ok" });
  const [again] = socket().frames("chat");
  assert.deepEqual([again.key, again.x], ["key-1", "hello"]);
  socket().say({ op: "ok", re: again.id, m: "m1", seq: 11 });
  assert.deepEqual(await chat, { m: "m1", seq: 11 });
});

test("a refusal carries its code; an unavailable room is asked again with the same key", async () => {
  const { room } = join();
  socket().welcome();
  const slow = room.chat("fast");
  socket().say({ op: "err", re: socket().frames("chat")[0].id, code: "slow_mode", retry_ms: 2300, temp: true });
  await assert.rejects(slow, { code: "slow_mode", retryMs: 2300, temp: true });

  const patient = room.chat("patient", "key-2");
  socket().say({ op: "err", re: socket().frames("chat")[1].id, code: "unavailable", temp: true });
  mock.timers.tick(2_000);
  const again = socket().frames("chat")[2];
  assert.equal(again.key, "key-2");
  socket().say({ op: "ok", re: again.id, m: "m2", seq: 12 });
  assert.deepEqual(await patient, { m: "m2", seq: 12 });
});

test("a chat without an answer is given up after its deadline, and only so many wait at once", async () => {
  const { room } = join();
  socket().welcome();
  const waiting = Array.from({ length: 16 }, (_, n) => room.chat(`n${n}`));
  await assert.rejects(room.chat("one more"), { code: "rate_limited" });
  mock.timers.tick(30_000);
  for (const chat of waiting) await assert.rejects(chat, { code: "timeout" });
});

test("a server that never welcomes, or falls silent, is left and tried again", () => {
  let now = 0;
  mock.method(performance, "now", () => now);
  const { of } = join();
  socket().open();
  mock.timers.tick(10_000);
  assert.equal(of("connection").at(-1).state, "waiting");
  reconnected();
  socket().welcome();
  now += 51_000;
  mock.timers.tick(7_000);
  assert.equal(of("connection").at(-1).state, "waiting");
  mock.restoreAll();
});

test("it beats every 30 s while it is connected, and not after it has left", () => {
  const { room } = join();
  socket().welcome();
  mock.timers.tick(60_000);
  assert.equal(socket().frames("beat").length, 3);
  room.close();
  mock.timers.tick(120_000);
  assert.equal(socket().frames("beat").length, 3);
  assert.equal(FakeSocket.all.length, 1);
});

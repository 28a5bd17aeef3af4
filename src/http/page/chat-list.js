// The list of a room's messages: in order of sequence number, each once, whether it came live or from history.

import { $, avatar, clock, copy, element, say } from "./dom.js";

/** More than this are not kept on the page; the server has them. */
const KEPT = 400;
const NEAR_END = 80;

export class ChatList {
  #list = $("[data-messages]");
  #empty = $("[data-chat-empty]");
  #jump = $("[data-jump]");
  #bySeq = new Map();
  #muted = new Set();

  constructor() {
    this.#list.addEventListener("scroll", () => this.#atEnd() && (this.#jump.hidden = true), { passive: true });
    this.#jump.addEventListener("click", () => this.#toEnd());
  }

  clear() {
    this.#list.replaceChildren();
    this.#bySeq.clear();
    this.#muted.clear();
    this.#jump.hidden = true;
    this.#empty.hidden = false;
    say(this.#empty, "Loading the chat…");
  }

  /** The lowest sequence number shown, or null. */
  get oldest() {
    return this.#bySeq.size ? Math.min(...this.#bySeq.keys()) : null;
  }

  /** One live message. */
  add(message) {
    const follow = this.#atEnd();
    if (!this.#insert(message)) return;
    this.#cover(message);
    this.#trim();
    if (follow) this.#toEnd();
    else this.#jump.hidden = false;
  }

  /** A page of history; not read out, because it is not news. */
  merge(messages) {
    const follow = this.#atEnd();
    const height = this.#list.scrollHeight;
    this.#list.setAttribute("aria-live", "off");
    messages.forEach((message) => this.#insert(message));
    say(this.#empty, "No messages yet.");
    if (follow) this.#toEnd();
    else this.#list.scrollTop += this.#list.scrollHeight - height;
    requestAnimationFrame(() => this.#list.setAttribute("aria-live", "polite"));
  }

  remove(m) {
    for (const [seq, node] of this.#bySeq) {
      if (node.dataset.m === m) this.#forget(seq, node);
    }
  }

  mute(user) {
    this.#muted.add(user);
    for (const [seq, node] of this.#bySeq) {
      if (node.dataset.user === user) this.#forget(seq, node);
    }
  }

  /** A remark of the page itself, at this place in the sequence. */
  note(text, seq) {
    const node = element("div", "", "message-note");
    node.dataset.testid = "chat-note";
    node.append(element("span", text));
    const follow = this.#atEnd();
    this.#place(node, seq + 0.5);
    if (follow) this.#toEnd();
  }

  /** A message on its way. Returns what tells its fate: `sent(message)` or `failed(text, again)`. */
  pending({ u, n, x }) {
    const node = this.#draw({ u, n, x, t: Date.now() });
    node.dataset.testid = "message-pending";
    const fate = $(".message-fate", node);
    const show = (state, text) => {
      node.hidden = false;
      node.dataset.fate = state;
      fate.hidden = false;
      say(fate, text);
    };
    show("sending", "Sending…");
    this.#place(node, Infinity);
    this.#toEnd();
    return {
      sent: (message) => {
        node.remove();
        this.add(message);
      },
      failed: (text, again) => {
        show("failed", `${text} `);
        const button = element("button", "Try again", "button-link");
        button.type = "button";
        button.dataset.testid = "chat-again";
        button.addEventListener("click", () => {
          show("sending", "Sending…");
          again();
        });
        if (again) fate.append(button);
      },
    };
  }

  /** One's own message may arrive in the log before its `ok`: the row that says "Sending…" makes room for it. */
  #cover({ u, x }) {
    const rows = [...this.#list.querySelectorAll('[data-fate="sending"]:not([hidden])')];
    const row = rows.find((node) => node.dataset.user === u && $(".message-text", node).textContent === x);
    if (row) row.hidden = true;
  }

  #draw({ m, u, n, x, t, seq }) {
    const node = copy("chat-message");
    node.dataset.user = u;
    if (m) Object.assign(node.dataset, { m, seq });
    avatar($(".avatar", node), n);
    $("b", node).textContent = n;
    $(".message-text", node).textContent = x;
    const time = $("time", node);
    time.dateTime = new Date(t).toISOString();
    time.textContent = clock(t);
    return node;
  }

  #insert(message) {
    if (this.#bySeq.has(message.seq) || this.#muted.has(message.u)) return false;
    const node = this.#draw(message);
    this.#bySeq.set(message.seq, node);
    this.#place(node, message.seq);
    return true;
  }

  #place(node, order) {
    node.dataset.order = order;
    let before = null;
    for (let at = this.#list.lastElementChild; at && Number(at.dataset.order) > order; at = at.previousElementSibling) {
      before = at;
    }
    this.#list.insertBefore(node, before);
    this.#empty.hidden = true;
  }

  #forget(seq, node) {
    node.remove();
    this.#bySeq.delete(seq);
    this.#empty.hidden = this.#list.childElementCount > 0;
  }

  #trim() {
    while (this.#bySeq.size > KEPT && this.#atEnd()) {
      const [seq, node] = [this.oldest, this.#bySeq.get(this.oldest)];
      this.#forget(seq, node);
    }
  }

  #atEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#list;
    return scrollHeight - scrollTop - clientHeight < NEAR_END;
  }

  #toEnd() {
    this.#list.scrollTop = this.#list.scrollHeight;
    this.#jump.hidden = true;
  }
}

// Whom the signed-in person follows, as far as this browser knows: what the feed's answers say and what was clicked here.

import { api, session } from "./api.js";
import { once, say, toast } from "./dom.js";

/** So many are remembered for one person; the oldest go first. */
const KEPT = 500;

const place = () => session.current && `nova.follows.${session.current.id}`;

let known = restore(); // user id -> following

session.addEventListener("change", () => (known = restore()));

function restore() {
  try {
    return new Map(JSON.parse(localStorage.getItem(place()) ?? "[]"));
  } catch {
    return new Map(); // not what this page writes: as if nothing had been remembered
  }
}

function remember(userId, on) {
  known.delete(userId);
  known.set(userId, on);
  while (known.size > KEPT) known.delete(known.keys().next().value);
  if (place()) localStorage.setItem(place(), JSON.stringify([...known]));
}

/** The feed proposed a post because its author is followed. */
export function learn(userId) {
  if (!known.has(userId)) remember(userId, true);
}

/** Makes a button follow and unfollow a person; hidden for oneself and for people who are not signed in. */
export function followButton(button, { id, username }) {
  const me = session.current;
  button.hidden = !me || me.id === id;
  button.dataset.user = id;
  show(button, username);
  button.onclick = () =>
    once(button, async () => {
      const on = !known.get(id);
      try {
        await api.follow(id, on);
      } catch (problem) {
        return toast(problem.lines().join(" "));
      }
      remember(id, on);
      toast(on ? `You follow ${username}` : `You no longer follow ${username}`);
      for (const other of document.querySelectorAll(`[data-user="${CSS.escape(id)}"]`)) show(other, username);
    });
}

function show(button, username) {
  const on = known.get(button.dataset.user) === true;
  button.setAttribute("aria-pressed", String(on));
  const label = on ? "Following" : "Follow";
  button.setAttribute("aria-label", `${label} ${username}`);
  say(button, label);
}

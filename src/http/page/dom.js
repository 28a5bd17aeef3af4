// Small pieces every view uses. All text goes through textContent: nothing a person wrote becomes markup.

export const $ = (selector, root = document) => root.querySelector(selector);

/** A copy of the first element of a <template>. */
export const copy = (template) => document.getElementById(template).content.firstElementChild.cloneNode(true);

export function element(tag, text = "", className = "") {
  const node = document.createElement(tag);
  node.textContent = text;
  if (className) node.className = className;
  return node;
}

/** Changes text only when it differs, so that screen readers do not repeat what did not change. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Colours for a name: always the same ones for the same name. */
export function paint(node, name) {
  let hash = 0x811c9dc5;
  for (const letter of name) hash = Math.imul(hash ^ letter.codePointAt(0), 0x01000193);
  hash = (hash ^ (hash >>> 15)) >>> 0; // names that differ only a little get different colours
  node.classList.remove(...[...node.classList].filter((c) => c.startsWith("hue-")));
  node.classList.add(`hue-${hash % 12}`);
}

export function avatar(node, name) {
  paint(node, name);
  say(node, [...name][0] ?? "?");
}

const NUMBER = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
export const number = (value) => NUMBER.format(value);
export const counted = (value, one, many = `${one}s`) => `${number(value)} ${value === 1 ? one : many}`;

const AGES = [
  [60, "s", 1],
  [3_600, "min", 60],
  [86_400, "h", 3_600],
  [Infinity, "d", 86_400],
];

/** How long since then, in the largest unit that fits: `3 min`. */
export function age(time) {
  const seconds = Math.max(0, (Date.now() - new Date(time).getTime()) / 1000);
  const [, unit, size] = AGES.find(([limit]) => seconds < limit);
  return `${Math.floor(seconds / size)} ${unit}`;
}

export const ago = (time) => (Date.now() - new Date(time).getTime() < 10_000 ? "just now" : `${age(time)} ago`);

export const clock = (time) => new Date(time).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

/** Shows a problem (or nothing, for null) and marks the form's fields that it names. */
export function showProblem(node, problem, form = null) {
  node.hidden = !problem;
  node.replaceChildren();
  for (const field of form?.elements ?? []) field.removeAttribute("aria-invalid");
  if (!problem) return;
  const lines = problem.lines?.() ?? [problem.message];
  node.append(element("p", lines[0]));
  if (lines.length > 1) {
    const list = element("ul");
    list.append(...lines.slice(1).map((line) => element("li", line)));
    node.append(list);
  }
  const named = (problem.errors ?? []).map(({ field }) => form?.elements[field]).filter(Boolean);
  for (const field of named) field.setAttribute("aria-invalid", "true");
  named[0]?.focus();
}

let toastTimer = null;

/** Says something once, at the edge of the screen and to screen readers. */
export function toast(text) {
  const node = $("[data-toast]");
  node.textContent = text;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => (node.textContent = ""), 6_000);
}

/** Runs `work` with the button disabled, so that a second click is not a second request. */
export async function once(button, work) {
  if (button.disabled) return;
  button.disabled = true;
  try {
    await work();
  } finally {
    button.disabled = false;
  }
}

/** Calls `work` now and then again `ms` after each end, never while the page is hidden. Returns what stops it. */
export function repeat(ms, work) {
  let timer = null;
  let stopped = false;
  let busy = false;
  const round = async () => {
    if (stopped || busy) return;
    clearTimeout(timer);
    busy = true;
    if (!document.hidden) await work();
    busy = false;
    if (!stopped) timer = setTimeout(round, ms);
  };
  const onVisible = () => document.hidden || round();
  document.addEventListener("visibilitychange", onVisible);
  round();
  return () => {
    stopped = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", onVisible);
  };
}

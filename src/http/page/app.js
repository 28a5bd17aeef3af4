// The page's frame: which view the address names, who is signed in, light or dark.

import { api, newKey, session } from "./api.js";
import { $, element, showProblem, toast } from "./dom.js";
import { feed } from "./feed.js";
import { submitOnce } from "./form.js";
import { CATEGORIES, live } from "./live.js";
import { room } from "./room.js";

const goLive = { open: needsSession };
const signIn = { open: showReason };
const REASONS = [["#/feed", "to see your feed"], ["#/go-live", "to go live"], ["#/s/", "to chat in the room"]];
const missing = { open: () => () => {} };

const ROUTES = [
  [/^$|^\/$/, "live", live, "Live now"],
  [/^\/s\/([^/]+)$/, "room", room, "Room"],
  [/^\/go-live$/, "go-live", goLive, "Go live"],
  [/^\/feed$/, "feed", feed, "Your feed"],
  [/^\/sign-in$/, "sign-in", signIn, "Sign in"],
  [/.*/, "missing", missing, "Nothing here"],
];

let leave = () => {};

function route({ focus = true } = {}) {
  leave();
  const path = location.hash.slice(1).split("?")[0];
  const [pattern, name, view, title] = ROUTES.find(([candidate]) => candidate.test(path));
  document.title = `${title} · Nova`;
  for (const section of document.querySelectorAll("[data-view]")) section.hidden = section.dataset.view !== name;
  for (const link of document.querySelectorAll("[data-nav]")) {
    if (link.dataset.nav === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (focus) {
    scrollTo(0, 0);
    $(`[data-view="${name}"] h1`).focus({ preventScroll: true });
  }
  leave = view.open(...path.match(pattern).slice(1).map(decode)) ?? (() => {});
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a broken escape: the server will say that there is no such thing
  }
}

const nextRoute = () => new URLSearchParams(location.hash.split("?")[1]).get("next");

/** Someone who was sent here wanted something else: say what. */
function showReason() {
  const [, words] = REASONS.find(([route]) => nextRoute()?.startsWith(route)) ?? [];
  $("[data-sign-in-reason]").textContent = words ? `Choose a name ${words}.` : "";
}

function needsSession() {
  if (!session.current) location.replace(`#/sign-in?next=${encodeURIComponent(location.hash)}`);
}

function showSession() {
  const me = session.current;
  for (const node of document.querySelectorAll("[data-signed-in]")) node.hidden = !me;
  for (const node of document.querySelectorAll("[data-signed-out]")) node.hidden = Boolean(me);
  $("[data-sign-out]").setAttribute("aria-label", me ? `Sign out ${me.username}` : "Sign out");
  $("[data-me]").textContent = me ? `@${me.username}` : "";
}

submitOnce($("[data-sign-in-form]"), async ({ username }) => {
  try {
    await api.signIn(username.trim());
  } catch (problem) {
    if (problem.status === 404) {
      problem.message = "This server does not hand out names. You can still watch without signing in.";
      problem.title = null;
    }
    throw problem;
  }
  const next = nextRoute();
  location.hash = next?.startsWith("#/") ? next : "#/";
});

for (const name of CATEGORIES) {
  const option = element("option", name[0].toUpperCase() + name.slice(1));
  option.value = name;
  $("#live-category").append(option);
}
const liveForm = $("[data-live-form]");
submitOnce(liveForm, async (body, key) => {
  try {
    const stream = await api.start(body, key);
    liveForm.reset();
    location.hash = `#/s/${encodeURIComponent(stream.stream_id)}`;
  } catch (problem) {
    if (problem.code !== "already_live") throw problem;
    const notice = $("[data-problem]", liveForm);
    showProblem(notice, problem);
    const link = element("a", "Open the stream that is running");
    link.href = `#/s/${encodeURIComponent(problem.more.stream_id)}`;
    link.dataset.testid = "running-stream";
    notice.append(link);
  }
}, newKey);

$("[data-sign-out]").addEventListener("click", () => {
  session.set(null);
  toast("Signed out");
});
session.addEventListener("change", () => {
  showSession();
  const current = location.hash;
  if (!current.startsWith("#/sign-in")) route({ focus: false });
});

const root = document.documentElement;
const saved = localStorage.getItem("nova.theme");
if (saved) root.dataset.theme = saved;
$("[data-theme-toggle]").addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("nova.theme", root.dataset.theme);
});

$("[data-skip]").addEventListener("click", (event) => {
  event.preventDefault();
  $("#main").focus();
});
addEventListener("hashchange", () => route());
showSession();
route({ focus: false });

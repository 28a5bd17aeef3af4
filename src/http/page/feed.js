// The feed of the signed-in person: posts ranked or newest first, likes, follows, and writing a post.

import { api, newKey, session } from "./api.js";
import { $, ago, avatar, copy, counted, number, once, say, showProblem, toast } from "./dom.js";
import { followButton, learn } from "./follows.js";
import { submitOnce } from "./form.js";
import { why } from "./why.js";

const PER_PAGE = 20;
const NEWEST = "chrono";
const UNRANKED = "newest posts of everyone, latest first.";
/** What the rung of the answer means for the reader; the best one needs no words. */
const RUNGS = {
  stale: "This order is a little old; a new one is being made.",
  partial: "Only part of the data could be read, so some posts may be missing.",
  store: "The analytics are away; the figures are older ones.",
  chrono: `They could not be ranked: these are the ${UNRANKED}`,
  trending: "Nothing could be ranked for you: this is what many people like.",
  empty: "No posts could be found right now.",
};

const list = $("[data-feed]");
const own = $("[data-own-posts]");
const more = $("[data-feed-next]");
let cursor = null;
let algo = null; // what orders the feed: null is the ranker that the server chose for this person
let round = 0; // an answer that belongs to an older load is dropped

session.addEventListener("change", () => {
  list.replaceChildren();
  own.replaceChildren();
});

async function load(next = null) {
  const mine = ++round;
  list.setAttribute("aria-busy", "true");
  try {
    const page = await api.feed({ limit: PER_PAGE, cursor: next, algo });
    if (mine !== round) return;
    if (!next) list.replaceChildren();
    render(page);
    showProblem($("[data-feed-problem]"), null);
  } catch (problem) {
    if (mine !== round) return;
    if (next && problem.status === 410) {
      problem.message = "This list has grown too old to be continued. Refresh to see a new one.";
      more.hidden = true;
    }
    showProblem($("[data-feed-problem]"), problem);
  } finally {
    if (mine === round) list.removeAttribute("aria-busy");
  }
}

function render(page) {
  list.append(...page.items.map(item));
  cursor = page.next_cursor;
  more.hidden = !cursor;
  $("[data-feed-empty]").hidden = list.childElementCount > 0;
  $("[data-feed-facts]").hidden = false;
  say($("[data-feed-ranker]"), page.ranker);
  say($("[data-feed-rung]"), page.rung);
  const ranked = `Ranked for you by freshness, likes and your ties. ${RUNGS[page.rung] ?? ""}`;
  say($("[data-feed-words]"), algo === NEWEST ? `The ${UNRANKED}` : ranked);
  const facts = [
    page.relaxed.length && `relaxed: ${page.relaxed.join(", ")}`,
    page.degraded.length && `degraded: ${page.degraded.join(", ")}`,
    page.newer_available && "newer posts are there: refresh",
  ].filter(Boolean);
  say($("[data-feed-more-facts]"), facts.map((fact) => ` · ${fact}`).join(""));
}

function item(post) {
  const node = copy("feed-item");
  node.dataset.post = post.post_id;
  const { author } = post;
  if (post.source?.includes("followees")) learn(author.id);
  avatar($(".avatar", node), author.username);
  say($(".post-author", node), author.username);
  const time = $("time", node);
  time.dateTime = new Date(post.created_at).toISOString();
  say(time, ago(post.created_at));
  say($(".post-text", node), post.text);
  if (/^https?:/.test(post.media_url ?? "")) {
    $(".post-media", node).hidden = false;
    $(".post-media a", node).href = post.media_url;
  }
  followButton($(".post-follow", node), author);
  like($(".like", node), post);
  const counts = [post.comments && counted(post.comments, "comment"), post.shares && counted(post.shares, "share")];
  say($(".post-counts", node), counts.filter(Boolean).join(" · "));
  why(node, post, algo !== NEWEST);
  return node;
}

function like(button, post) {
  let { liked, likes } = post;
  const show = () => {
    button.setAttribute("aria-pressed", String(liked));
    say($(".like-count", button), number(likes));
  };
  show();
  button.addEventListener("click", () =>
    once(button, async () => {
      try {
        await api.like(post.post_id, !liked);
      } catch (problem) {
        return toast(problem.lines().join(" "));
      }
      liked = !liked;
      likes = Math.max(0, likes + (liked ? 1 : -1));
      show();
    }),
  );
}

const text = $("#post-text");
text.addEventListener("input", () => {
  const left = 2_000 - [...text.value].length;
  say($("[data-post-left]"), left < 200 ? `${left} characters left` : "");
});
submitOnce($("[data-post-form]"), async (body, key) => {
  const post = await api.post(body, key);
  own.prepend(item(post));
  text.value = "";
  toast("Posted. People who follow you will find it in their feeds.");
}, newKey);

for (const choice of document.querySelectorAll("[data-feed-order] input")) {
  choice.addEventListener("change", () => {
    algo = choice.value || null;
    cursor = null;
    load();
  });
}
more.addEventListener("click", () => once(more, () => load(cursor)));
$("[data-feed-refresh]").addEventListener("click", (e) => once(e.currentTarget, () => load()));

export const feed = {
  open() {
    if (!session.current) {
      location.replace("#/sign-in?next=%23%2Ffeed");
      return () => {};
    }
    load();
    return () => round++;
  },
};

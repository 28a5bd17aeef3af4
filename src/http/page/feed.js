// The feed of the signed-in person: ranked posts with the reasons, likes, follows, and writing a post.

import { api, newKey, session } from "./api.js";
import { $, ago, avatar, copy, counted, element, number, once, say, showProblem, toast } from "./dom.js";
import { followButton, learn } from "./follows.js";
import { submitOnce } from "./form.js";

const PER_PAGE = 20;
const SOURCES = { followees: "You follow", trending: "Trending", affinity: "You interact", recent: "Recent" };

const list = $("[data-feed]");
const own = $("[data-own-posts]");
const more = $("[data-feed-next]");
let cursor = null;
let round = 0; // an answer that belongs to an older load is dropped

session.addEventListener("change", () => {
  list.replaceChildren();
  own.replaceChildren();
});

async function load(next = null) {
  const mine = ++round;
  list.setAttribute("aria-busy", "true");
  try {
    const page = await api.feed({ limit: PER_PAGE, cursor: next });
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
  why(node, post);
  return node;
}

/** Score and sources; a post just written has neither, because nothing ranked it. */
function why(node, { score, source = [], reasons = [], kind, stream_id }) {
  const shown = $(".score", node);
  shown.hidden = typeof score !== "number";
  if (!shown.hidden) {
    shown.dataset.score = score;
    say(shown, `score ${score.toFixed(3)}`);
  }
  const tags = $(".sources", node);
  for (const name of source) {
    const tag = element("span", SOURCES[name] ?? name, "tag");
    tag.dataset.testid = "feed-source";
    tag.dataset.source = name;
    tags.append(tag);
  }
  tags.title = reasons.join(", ");
  if (kind === "live" && stream_id) {
    const link = element("a", "Watch live");
    link.href = `#/s/${encodeURIComponent(stream_id)}`;
    tags.append(link);
  }
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

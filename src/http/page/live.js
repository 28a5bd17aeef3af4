// Who is live: a list that keeps itself right without a reload.

import { api } from "./api.js";
import { $, ago, avatar, copy, counted, element, paint, repeat, say, showProblem } from "./dom.js";

export const CATEGORIES = [
  "gaming", "music", "talk", "sports", "education", "technology", "art", "lifestyle", "other",
];
const EVERY = 2_000;
const PER_PAGE = 24;

const view = $('[data-view="live"]');
const list = $("[data-streams]", view);
const cards = new Map(); // stream id -> <li>
let category = "";
let page = 1;
let refreshedAt = null;

for (const name of ["", ...CATEGORIES]) {
  const chip = element("label", "", "chip");
  const radio = Object.assign(document.createElement("input"), { type: "radio", name: "category", value: name });
  radio.checked = name === "";
  radio.dataset.testid = `category-${name || "all"}`;
  radio.addEventListener("change", () => choose(name, 1));
  chip.append(radio, element("span", name || "All"));
  $("[data-categories]").append(chip);
}
$("[data-page-back]").addEventListener("click", () => choose(category, page - 1));
$("[data-page-on]").addEventListener("click", () => choose(category, page + 1));

function choose(nextCategory, nextPage) {
  category = nextCategory;
  page = nextPage;
  refresh();
}

async function refresh() {
  const asked = [category, page];
  try {
    const answer = await api.streams({ category, page, limit: PER_PAGE });
    if (asked[0] !== category || asked[1] !== page) return; // an answer to an older question
    refreshedAt = new Date();
    showProblem($("[data-live-problem]"), null);
    render(answer);
  } catch (problem) {
    if (refreshedAt) problem.message += ` This is the list of ${refreshedAt.toLocaleTimeString()}.`;
    showProblem($("[data-live-problem]"), problem);
  }
}

function render({ streams, total, limit }) {
  const gone = new Set(cards.keys());
  streams.forEach((stream, index) => {
    gone.delete(stream.stream_id);
    const card = cards.get(stream.stream_id) ?? newCard(stream);
    update(card, stream);
    if (list.children[index] !== card) list.insertBefore(card, list.children[index] ?? null);
  });
  for (const id of gone) {
    cards.get(id).remove();
    cards.delete(id);
  }
  list.removeAttribute("aria-busy");
  say($("[data-live-total]"), total ? counted(total, "stream") : "");
  say($("[data-live-empty-where]"), category ? `in ${category}` : "right now");
  $("[data-live-empty]").hidden = streams.length > 0;
  const pages = Math.max(1, Math.ceil(total / limit));
  $("[data-pager]").hidden = pages === 1 && page === 1;
  say($("[data-page-now]"), `Page ${page} of ${pages}`);
  $("[data-page-back]").disabled = page <= 1;
  $("[data-page-on]").disabled = page >= pages;
}

function newCard(stream) {
  const card = copy("stream-card");
  card.dataset.stream = stream.stream_id;
  $("a", card).href = `#/s/${encodeURIComponent(stream.stream_id)}`;
  cards.set(stream.stream_id, card);
  return card;
}

function update(card, stream) {
  const { username } = stream.creator;
  paint($(".cover", card), stream.title);
  say($(".cover-letter", card), [...username][0] ?? "");
  const viewers = $(".watching", card);
  say(viewers, counted(stream.current_viewers, "viewer"));
  viewers.dataset.count = stream.current_viewers;
  avatar($(".avatar", card), username);
  say($(".stream-title", card), stream.title);
  say($(".stream-by", card), username);
  say($(".tag", card), stream.category);
  say($(".stream-age", card), ago(stream.started_at));
}

export const live = { open: () => repeat(EVERY, refresh) };

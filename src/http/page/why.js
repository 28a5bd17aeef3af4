// Why a post is where it is: its score, where it was found, and on request how the score came about.

import { api } from "./api.js";
import { $, counted, element, once, say, showProblem } from "./dom.js";

const SOURCES = { followees: "You follow", trending: "Trending", affinity: "You interact", recent: "New" };
const PARTS = { freshness: "Freshness", engagement: "Likes and comments", affinity: "Your ties" };

/** Shows score and sources. A post just written has neither, and in an order by time alone scores mean nothing. */
export function why(node, { post_id, score, source = [], reasons = [], kind, stream_id }, ranked) {
  const button = $(".score", node);
  button.hidden = !ranked || typeof score !== "number";
  if (!button.hidden) {
    button.dataset.score = score;
    say(button, `score ${score.toFixed(3)}`);
    button.addEventListener("click", () => once(button, () => toggle(button, $(".explanation", node), post_id)));
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

async function toggle(button, box, postId) {
  const open = box.hidden;
  button.setAttribute("aria-expanded", String(open));
  box.classList.remove("notice");
  if (!open) return (box.hidden = true);
  try {
    const told = await api.explain(postId);
    box.replaceChildren(...sum(told));
    box.hidden = false;
  } catch (problem) {
    box.classList.add("notice");
    showProblem(box, problem);
  }
}

/** The score as a sum of weighted parts, and the figures that they were made from. */
function sum({ score, ranker, parts, weights, inputs }) {
  const table = element("dl");
  for (const [name, label] of Object.entries(PARTS)) {
    const row = element("div");
    const worth = weights[name] * parts[name];
    const worked = element("dd", `${weights[name]} × ${parts[name].toFixed(3)} = `);
    worked.append(element("b", worth.toFixed(3)));
    row.append(element("dt", label), worked);
    table.append(row);
  }
  const figures = [
    `${inputs.age_hours.toFixed(1)} h old`,
    counted(inputs.likes, "like"),
    counted(inputs.comments, "comment"),
    counted(inputs.shares, "share"),
    counted(inputs.interactions, "interaction with the author", "interactions with the author"),
  ];
  return [
    table,
    element("p", `Now ${score.toFixed(3)} by ranker ${ranker}; scores fall as a post ages. Made from: ${figures.join(", ")}.`),
  ];
}

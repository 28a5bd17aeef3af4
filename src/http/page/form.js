// Forms that send JSON: one request at a time, problems shown beside the fields they name.

import { $, once, showProblem } from "./dom.js";

/**
 * Sends a form's fields (empty ones left out) through `send(body, key)`. The key stays the same while the same
 * content is sent again, so a repeat after a lost answer does not do the thing twice.
 */
export function submitOnce(form, send, newKey = () => null) {
  let last = { content: null, key: null };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const button = $("button:not([type=button])", form);
    once(button, async () => {
      const body = Object.fromEntries([...new FormData(form)].filter(([name, value]) => value || required(form, name)));
      const content = JSON.stringify(body);
      if (content !== last.content) last = { content, key: newKey() };
      showProblem($("[data-problem]", form), null, form);
      try {
        await send(body, last.key);
        last = { content: null, key: null };
      } catch (problem) {
        showProblem($("[data-problem]", form), problem, form);
      }
    });
  });
}

/** A required field is sent even when it is empty: the server says what it expects there. */
const required = (form, name) => form.elements[name].required || form.elements[name].name === "text";

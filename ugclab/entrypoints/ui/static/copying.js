// Something to be typed elsewhere, with a button that copies it.
import { el } from "./lib.js";

/** A block of code under a caption, and Copy. */
export function copyable(text, caption, { wrap = false } = {}) {
  const button = el("button.u-button.u-plain", { onclick: () => copy(text, button) }, "Copy");
  return el("figure.u-copy", {},
    el("figcaption.u-row.u-spread", {}, el("span.u-small.u-muted", {}, caption), button),
    el(wrap ? "pre.wrap" : "pre", { tabIndex: 0, "aria-label": caption }, text));
}

async function copy(text, button) {
  let done = true;
  try { await navigator.clipboard.writeText(text); } catch { done = byHand(text); }
  button.textContent = done ? "Copied" : "Select it and copy";
  setTimeout(() => { button.textContent = "Copy"; }, 1600);
}

/** Where the page is not served by https, browsers give no clipboard. */
function byHand(text) {
  const area = el("textarea.u-sr", { value: text });
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

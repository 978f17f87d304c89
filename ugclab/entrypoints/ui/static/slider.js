// Before and after in one frame, with a handle between them. Two pictures or two videos; both lie in the same box.

import { el } from "./lib.js";

const STEP = 2, LEAP = 10; // percent of the width

/** `slider(img, img, {labelBefore, labelAfter, ratio: 16 / 9})`: an element; `ratio` reserves its height from the start. */
export function slider(before, after, { labelBefore = "Before", labelAfter = "After", ratio = 0, at = 50 } = {}) {
  before.classList.add("s-before");
  after.classList.add("s-after");
  for (const side of [before, after]) side.draggable = false;
  const handle = el("span.s-handle", {
    role: "slider", tabIndex: 0, "aria-label": `${labelBefore} and ${labelAfter.toLowerCase()}`,
    "aria-orientation": "horizontal", "aria-valuemin": "0", "aria-valuemax": "100",
  }, el("span.s-grip", { "aria-hidden": "true" }));
  const tags = [el("span.s-tag.s-left", {}, labelBefore), el("span.s-tag.s-right", {}, labelAfter)];
  const root = el(".s-slider", {}, before, after, ...tags, handle);
  if (ratio) root.style.setProperty("--s-ratio", String(ratio));

  const move = (percent) => {
    at = Math.min(100, Math.max(0, percent));
    root.style.setProperty("--s-at", `${at}%`);
    tags[0].classList.toggle("s-away", at < 14);
    tags[1].classList.toggle("s-away", at > 86);
    handle.setAttribute("aria-valuenow", Math.round(at));
    handle.setAttribute("aria-valuetext", words(at, labelBefore, labelAfter));
  };
  drags(root, handle, move);
  handle.addEventListener("keydown", (event) => {
    const to = byKey(event, at);
    if (to === null) return;
    event.preventDefault();
    event.stopPropagation();
    move(to);
  });
  move(at);
  return root;
}

function words(at, labelBefore, labelAfter) {
  if (at <= 0) return `only ${labelAfter.toLowerCase()}`;
  if (at >= 100) return `only ${labelBefore.toLowerCase()}`;
  return `${Math.round(at)} % ${labelBefore.toLowerCase()}, ${Math.round(100 - at)} % ${labelAfter.toLowerCase()}`;
}

/** A press anywhere takes the handle there; it follows the pointer until that is lifted. Up and down still scroll. */
function drags(root, handle, move) {
  const to = (event) => {
    const box = root.getBoundingClientRect();
    move(((event.clientX - box.left) / box.width) * 100);
  };
  root.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    root.setPointerCapture(event.pointerId);
    handle.focus({ preventScroll: true });
    event.preventDefault();
    to(event);
  });
  root.addEventListener("pointermove", (event) => root.hasPointerCapture(event.pointerId) && to(event));
}

function byKey(event, at) {
  const step = event.shiftKey ? LEAP : STEP;
  switch (event.key) {
    case "ArrowLeft": case "ArrowDown": return at - step;
    case "ArrowRight": case "ArrowUp": return at + step;
    case "PageDown": return at - LEAP;
    case "PageUp": return at + LEAP;
    case "Home": return 0;
    case "End": return 100;
    default: return null;
  }
}

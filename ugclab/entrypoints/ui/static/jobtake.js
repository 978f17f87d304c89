// What one takes away from a finished job: the file, a link to it, and how to do the same again.

import { ask, el, fault, fill, megabytes } from "./lib.js";

export function takeAway(job) {
  const base = `/desk/jobs/${job.id}`;
  const place = el(".u-stack.j-link", {}, el(".j-linkline"));
  const trouble = el(".j-trouble");
  const change = (method) => async () => {
    try { draw(await ask(`${base}/link`, undefined, { method })); trouble.replaceChildren(); } catch (error) { fill(trouble, fault(error)); }
  };
  const draw = ({ path, url }) => {
    if (!path) {
      fill(place, el(".u-row", {}, el("button.u-button.j-small", { type: "button", onclick: change("POST") }, "Make a link")),
        el("p.u-muted.u-small", {}, "The link was revoked: it leads nowhere now. A new one is another address."));
      return;
    }
    const address = url || location.origin + path;
    const field = el("input.j-field", { value: address, readOnly: true, "aria-label": "Link to the result", onfocus: () => field.select() });
    fill(place, field,
      el(".u-row", {}, copyButton("Copy link", () => address, field), el("button.u-button.u-plain", { type: "button", onclick: change("DELETE") }, "Revoke link")),
      el("p.u-muted.u-small", {}, "Whoever has the link gets the video, until you revoke it or delete the job."));
  };
  ask(`${base}/link`).then(draw, (error) => fill(trouble, fault(error)));
  return el("section.u-stack", {}, el("h2", {}, "Take it with you"),
    el("a.u-button.u-solid.j-download", { href: `${base}/result?save` }, `Download, ${megabytes(job.size_bytes)}`), place, trouble);
}

export function again(job) {
  const recipe = (name, text) => {
    const code = el("pre.j-code", { tabIndex: 0, "aria-label": name }, text);
    return el(".u-stack.j-recipe", {}, el(".u-row.u-spread", {}, el("h3.u-muted.u-small", {}, name), copyButton("Copy", () => text, code)), code);
  };
  return el("section.u-stack", {}, el("h2", {}, "Do it again"), recipe("Shell", job.shell), recipe("Python", job.python));
}

/** Copies a text; where the browser lets no page do that, it is selected, ready for the keys. */
function copyButton(words, text, shown) {
  const button = el("button.u-button.j-small", { type: "button", onclick: async () => {
    try {
      await navigator.clipboard.writeText(text());
      button.textContent = "Copied";
    } catch {
      select(shown);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = words; }, 1500);
  } }, words);
  button.style.minWidth = `${words.length + 3}ch`;
  return button;
}

function select(shown) {
  if (shown instanceof HTMLInputElement) { shown.focus(); shown.select(); return; }
  const range = document.createRange();
  range.selectNodeContents(shown);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
}

// One frame, before and after; or what has to be brought for it.

import { clock, el, fault, fill } from "./lib.js";
import { slider } from "./slider.js";

export class Preview {
  #shown = null;
  #handle = 50;

  constructor() {
    this.element = el(".cr-preview", { "aria-live": "polite" });
  }

  busy(is) { this.element.classList.toggle("u-busy", is); }

  fault(error) { this.#put(null, el(".cr-empty", {}, fault(error))); }

  says(text, title = "") {
    this.#put(text, el(".cr-empty", {}, title && el("h2", {}, title), el("p.u-muted", {}, text)));
  }

  /** `seen` as the look FRAME answers; `kept` where the frame's segment is not swapped; `at` in seconds. */
  show(seen, { kept, at }) {
    const which = `${seen.before} ${seen.after} ${kept}`;
    if (this.#shown !== which) {
      const before = el("img", { src: seen.before, alt: "The frame as it is" });
      const after = el("img", { src: seen.after, alt: "The frame with the face put in" });
      const frame = kept ? el(".cr-kept", {}, before) : slider(before, after, { ratio: seen.width / seen.height, at: this.#where() });
      this.#put(which, frame, el(".cr-caption"));
    }
    const says = kept ? "kept: it stays as it is" : seen.swapped ? "" : "no face to replace: it stays as it is";
    fill(this.element.querySelector(".cr-caption"), el("span", {}, "Frame ", el("span.u-number", {}, clock(at))), says && el("span", {}, says));
  }

  /** The handle stays where it was put, from frame to frame. */
  #where() {
    const handle = this.element.querySelector("[role=slider]");
    if (handle) this.#handle = Number(handle.getAttribute("aria-valuenow"));
    return this.#handle;
  }

  #put(which, ...children) {
    if (which !== null && this.#shown === which) return;
    this.#where();
    this.#shown = which;
    fill(this.element, ...children);
  }
}

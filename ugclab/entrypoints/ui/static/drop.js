// A box that takes one file: dropped, chosen or pasted. It shows what was brought, or why it was not taken.

import { capital, el, fault, fill, send } from "./lib.js";

export class Drop {
  /** `on.taken(input)`, `on.cleared()`; `role` is source, avatar or photo. */
  constructor(role, { title, says, accept }, on) {
    Object.assign(this, { role, title, says, on });
    this.file = el("input.u-sr", { type: "file", accept, "aria-label": says, onchange: () => this.#chosen(this.file.files[0]) });
    this.inside = el(".drop-inside");
    this.element = el(`.drop.drop-${role}`, {}, this.inside, this.file);
    this.element.addEventListener("dragover", (event) => { event.preventDefault(); this.element.classList.add("over"); });
    this.element.addEventListener("dragleave", () => this.element.classList.remove("over"));
    this.element.addEventListener("drop", (event) => {
      event.preventDefault();
      this.element.classList.remove("over");
      this.#chosen(event.dataTransfer.files[0]);
    });
    this.empty();
  }

  empty(error = null) {
    this.element.classList.remove("full");
    fill(this.inside,
      el("button.drop-ask", { type: "button", onclick: () => this.file.click() }, el("b", {}, this.title), el("span", {}, this.says)),
      error && fault(error));
  }

  /** Show what was brought; `picture` is an element that fills the box. */
  show(input, picture, said) {
    this.element.classList.remove("u-busy");
    this.element.classList.add("full");
    fill(this.inside, picture,
      el("span.drop-tag", { title: input.name }, el("b", {}, this.title), said && el("span.u-number", {}, said)),
      el("button.drop-clear", { type: "button", "aria-label": `Take the ${this.title.toLowerCase()} away`, onclick: () => { this.empty(); this.on.cleared(); } }, "×"));
  }

  busy(said) {
    this.element.classList.add("u-busy");
    fill(this.inside, el("p.drop-says", { role: "status" }, said));
  }

  async #chosen(file) {
    this.file.value = "";
    if (!file) return;
    this.busy(`Uploading ${file.name}`);
    try {
      const path = `/desk/upload/${this.role}?name=${encodeURIComponent(file.name)}`;
      const input = await send(path, file, (share) => this.busy(share < 1 ? `Uploading, ${Math.round(share * 100)} %` : "Looking at it"));
      this.on.taken(input);
    } catch (error) {
      this.empty({ ...error, message: capital(error.message), hint: error.hint });
    } finally {
      this.element.classList.remove("u-busy");
    }
  }
}

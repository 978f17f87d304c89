// Asking for looks: what is seen before a job runs. Of one kind only the newest counts; older answers are dropped.

import { ask } from "./lib.js";

export class Looks {
  #page = crypto.randomUUID(); // the server gives up this page's older looks, too
  #newest = {};

  /** The answer; null where a newer look of the kind was asked for meanwhile. Throws Refused. */
  async see(kind, document) {
    const mine = (this.#newest[kind] = Symbol(kind));
    const { id } = await ask("/desk/look", { kind, page: this.#page, ...document }).catch((error) => this.#unless(kind, mine, error));
    while (this.#newest[kind] === mine) {
      const seen = await ask(`/desk/look/${id}`).catch((error) => this.#unless(kind, mine, error));
      if (!seen.waiting) return seen.superseded ? null : seen;
    }
    return null;
  }

  /** What went wrong with a look nobody waits for is nobody's trouble. */
  #unless(kind, mine, error) {
    if (this.#newest[kind] !== mine) return { waiting: true };
    throw error;
  }
}

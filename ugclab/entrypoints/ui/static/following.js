// Asks again about once a second while there is something to wait for, and not in a hidden tab.

import { ask, el } from "./lib.js";

const QUICK_MS = 1000, PATIENT_MS = 2000;

/**
 * Ask `path` and hand the answer to `show`, which returns whether something is still going on. A workbench that does not
 * answer is waited for, with a quiet line in `place`; any other refusal goes to `refused`. Returns a function that asks now.
 */
export function follow(path, { show, refused, place }) {
  const line = el("p.j-away.u-note", { role: "status" }, "The workbench does not answer, trying again");
  let timer = 0, asking = null, more = true;

  const step = async () => {
    clearTimeout(timer);
    let wait = QUICK_MS;
    try {
      more = show(await ask(path)) === true;
      line.remove();
    } catch (error) {
      if (error.code === "offline" || !error.code) {
        if (!line.isConnected) place.prepend(line);
        more = true;
        wait = PATIENT_MS;
        if (!error.code && !(error.message ?? "").startsWith("the workbench")) console.error(error);
      } else {
        line.remove();
        more = refused(error) === true;
      }
    }
    if (more && !document.hidden) timer = setTimeout(now, wait);
  };
  const now = () => (asking ??= step().finally(() => { asking = null; }));
  document.addEventListener("visibilitychange", () => !document.hidden && now());
  return now;
}

// One's own jobs, the newest first. A poll touches only what has changed.

import { ask, el, fault, fill, megabytes } from "./lib.js";
import { follow } from "./following.js";
import { say, segmentBar, set } from "./jobbar.js";
import { ago, cost, doing, exactly, seconds, speed, status, time } from "./jobwords.js";

export function mountList(element) {
  document.title = "Jobs · ugclab";
  const list = el("ol.j-list", { "aria-label": "Your jobs" });
  const notes = el(".j-notes");
  fill(element, el(".u-row.u-spread.j-head", {}, el("h1", {}, "Jobs"), el("a.u-button", { href: "/" }, "New job")), notes, list);
  list.append(...[1, 2, 3].map(() => el("li.j-row.j-blank.u-busy", { "aria-hidden": "true" })));
  const rows = new Map();
  let first = true;

  const show = ({ now, jobs }) => {
    if (first || (jobs.length === 0 && rows.size === 0)) list.replaceChildren();
    first = false;
    const here = new Set(jobs.map((job) => job.id));
    for (const [id, row] of rows) if (!here.has(id)) { row.element.remove(); rows.delete(id); }
    jobs.forEach((job, place) => {
      if (!rows.has(job.id)) rows.set(job.id, jobRow(job, () => again()));
      const row = rows.get(job.id);
      row.update(job, seconds(now));
      if (list.children[place] !== row.element) list.insertBefore(row.element, list.children[place] ?? null);
    });
    if (jobs.length === 0) list.replaceChildren(el("li", {}, nothing()));
    return jobs.some((job) => job.live);
  };
  const again = follow("/desk/jobs", { show, place: notes, refused: (error) => { fill(notes, fault(error)); } });
  return again();
}

function nothing() {
  return el(".u-empty.j-empty", {},
    el(".j-ghost", { "aria-hidden": "true" }, el("span.swap", { style: { flexGrow: "1" } }), el("span.keep", { style: { flexGrow: "2" } }), el("span.swap", { style: { flexGrow: "1" } }), el("span.keep", { style: { flexGrow: "2" } })),
    el("h2", {}, "No jobs yet"),
    el("p.u-muted", {}, "A job puts a face into the segments of a video that you choose. Here you will see it run, segment by segment, and find its result: also tomorrow, and after the browser was closed."),
    el("a.u-button.u-primary", { href: "/" }, "Create one"));
}

function jobRow(job, again) {
  const page = `/jobs?id=${encodeURIComponent(job.id)}`;
  const word = el("b.j-status"), what = el("span.j-doing"), rate = el("span.u-number"), left = el("span.u-number");
  const when = el("time", { dateTime: job.created_at, title: exactly(job.created_at) });
  const price = el("span.u-number.j-cost"), actions = el(".j-actions"), trouble = el(".j-trouble");
  const face = el("img.j-face", { src: `/desk/jobs/${job.id}/given/avatar`, alt: "", loading: "lazy", decoding: "async" });
  face.addEventListener("error", () => face.classList.add("j-none"), { once: true });
  const bar = segmentBar(job);
  const element = el("li.j-row", {},
    el("a.j-pic", { href: page, tabIndex: -1, "aria-hidden": "true" }, face),
    el(".j-main", {},
      el(".j-line", {}, el("a.j-name", { href: page, title: job.name }, job.name), el("span.u-muted.j-with", { title: job.avatar }, `with ${job.avatar}`), word, when),
      bar.element,
      el(".j-line.j-facts.u-small", {}, what, rate, left, price)),
    actions, trouble);
  let state = "";

  const update = (job, now) => {
    bar.update(job);
    set(element, "data-status", job.status);
    say(word, status(job));
    say(what, doing(job));
    set(what, "title", doing(job));
    say(rate, speed(job));
    say(left, time(job));
    say(price, cost(job, now));
    say(when, ago(job.created_at, now));
    if (state !== job.status) fillActions(actions, job, { trouble, again, onDeleted: again });
    state = job.status;
  };
  return { element, update };
}

/** What can be done with a job now; deleting asks once more, in the same place. */
export function fillActions(place, job, { trouble, again, onDeleted, save = true }) {
  const button = (kind, words, work, label) => el(`button.u-button.${kind}`, { type: "button", onclick: work, "aria-label": `${label ?? words} ${job.name}` }, words);
  const act = (path, method, then) => async (event) => {
    event.currentTarget.disabled = true;
    trouble.replaceChildren();
    try {
      await ask(path, undefined, { method });
      await then();
    } catch (error) {
      fill(trouble, fault(error));
      offer();
    }
  };
  const base = `/desk/jobs/${job.id}`;
  const sure = () => {
    const keep = button("u-plain", "Keep", () => { offer(); place.querySelector("[data-delete]")?.focus(); });
    fill(place, el("span.u-small.j-sure", {}, job.live ? "Stop and delete it?" : "Delete it for good?"),
      button("j-small", "Delete", act(base, "DELETE", onDeleted), "Delete for good:"), keep);
    place.onkeydown = (event) => event.key === "Escape" && keep.click();
    keep.focus();
  };
  const offer = () => {
    const remove = button("u-plain", "Delete", sure);
    remove.dataset.delete = "";
    fill(place,
      job.live && button("j-small", "Cancel", act(`${base}/cancel`, "POST", again)),
      job.may_retry && button("j-small", "Retry", act(`${base}/retry`, "POST", again)),
      save && job.status === "succeeded" && el("a.u-button.j-small", { href: `${base}/result?save`, "aria-label": `Download the result of ${job.name}, ${megabytes(job.size_bytes)}` }, "Download"),
      remove);
  };
  offer();
}

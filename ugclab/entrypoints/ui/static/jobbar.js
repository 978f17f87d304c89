// A job's progress, cut into the segments of its plan: each fills on its own. Swapped is full height, untouched half.

import { el } from "./lib.js";
import { span, status } from "./jobwords.js";
import { duration } from "./lib.js";

/** A bar and how it follows a job: {element, update(job)}. Only what has changed is touched. */
export function segmentBar(job, { labels = false } = {}) {
  const parts = el(".j-parts");
  const scan = el(".j-scan", {}, el("span"));
  const element = el(".j-bar", { role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100" }, parts, scan);
  element.classList.toggle("j-labelled", labels);
  let drawn = "", fills = [];

  const draw = (segments) => {
    const named = labels && segments.length <= 8;
    parts.replaceChildren(...segments.map((segment) => part(segment, named)));
    parts.classList.toggle("j-dense", segments.length > 40);
    fills = [...parts.querySelectorAll(".j-fill")];
  };
  const update = (job) => {
    const segments = job.segments.length ? job.segments : [{ start: 0, end: 1, swap: false, done: job.status === "succeeded" ? 1 : 0, unknown: true }];
    const plan = JSON.stringify(segments.map(({ start, end, swap }) => [start, end, swap]));
    if (plan !== drawn) draw(segments);
    drawn = plan;
    segments.forEach((segment, index) => scale(fills[index], segment.done));
    const broken = job.status === "failed" ? job.error?.segment ?? -1 : -1;
    [...parts.children].forEach((part, index) => part.classList.toggle("broken", index === broken));
    const looking = job.status === "running" && ["", "ingest", "analyse"].includes(job.stage);
    scan.classList.toggle("j-on", looking);
    scale(scan.firstChild, looking ? job.share : 0);
    const percent = job.status === "succeeded" ? 100 : Math.round(job.percent);
    set(element, "aria-valuenow", String(percent));
    set(element, "aria-valuetext", `${status(job)}, ${percent} %`);
    set(element, "aria-label", `Progress of ${job.name}`);
  };
  update(job);
  return { element, update };
}

function part(segment, named) {
  const kind = segment.unknown ? "unknown" : segment.swap ? "swap" : "keep";
  const length = segment.end - segment.start;
  const title = segment.unknown ? "the segments are not decided yet" : `${segment.swap ? "swap" : "keep"} ${span(segment)}`;
  return el(`.j-part.${kind}`, { title, style: { flexGrow: String(length) } },
    el(".j-track", {}, el("span.j-fill", { style: { transform: `scaleX(${segment.done})` } })),
    named ? el("span.j-label.u-number", { "aria-hidden": "true" }, segment.unknown ? "wherever a face is found" : `${segment.swap ? "swap" : "keep"} ${duration(length)}`) : null);
}

function scale(fill, share) {
  const to = `scaleX(${share})`;
  if (fill.style.transform !== to) fill.style.transform = to;
}

export function set(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** Text that is only written when it differs. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

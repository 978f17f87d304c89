// What it will take and cost, by segment and in all.

import { capital, duration, el, money } from "./lib.js";
import { summary } from "./timeline.js";

/** Lines for an estimate as the desk gives it; null where nothing can be estimated yet. */
export function quote(found, segments, fps) {
  if (!found) return [line("Time and price stand here", true), small("by segment and in all, before anything runs")];
  if (found.seconds === null) return [line("Nobody has timed this engine here yet"), small(summary(segments, fps))];
  const each = found.segments.map((s) => el("span", {}, `segment ${s.index + 1} `, number(duration(s.seconds) + (s.usd ? `, ${money(s.usd)}` : ""))));
  return [
    line(["About ", number(duration(found.seconds)), " on this machine", found.usd !== null && [", ", number(money(found.usd))]].flat()),
    el("p.u-muted.u-small.cr-each", {}, each,
      found.untouched_s > 0.05 && el("span", {}, number(duration(found.untouched_s)), " untouched"),
      found.usd === null && el("span", {}, "no price is set for this machine")),
    found.warnings.map((warning) => small(`${capital(warning)}.`)),
  ];
}

const number = (text) => el("span.u-number", {}, text);
const line = (children, muted = false) => el(`p.cr-sum${muted ? ".u-muted" : ""}`, {}, children);
const small = (text) => el("p.u-muted.u-small", {}, text);

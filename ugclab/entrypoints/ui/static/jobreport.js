// The report of a finished job: time and cost by segment and by stage, as tables whose rows carry their own bars.

import { duration, el } from "./lib.js";
import { dollars, span } from "./jobwords.js";

const STEPS = {
  ingest: "Fetch the files", probe: "Read the footage", setup: "Load the engine", fetch: "Fetch the model", analyse: "Find faces",
  swap: "Swap", stitch: "Put it together", contact_sheet: "Draw the contact sheet", upload: "Store the result",
};

export function chartsAndTables(job, report) {
  const total = sum(report.measurements, "wall_s");
  const untouched = report.plan.segments.some((segment) => segment.action === "keep");
  const exact = untouched ? ` Of the untouched frames ${percent(report.exact_frames_share)} are bit for bit those of the footage.` : "";
  const swapped = report.outcomes.reduce((all, outcome) => all + outcome.swapped_frames, 0);
  return [
    el("section.u-stack", {}, el(".u-row.u-spread", {}, el("h2", {}, "Report"),
      el(".u-row", {}, el("a.u-button.u-plain", { href: `/desk/jobs/${job.id}/report.json` }, "As JSON"), el("a.u-button.u-plain", { href: `/desk/jobs/${job.id}/report.md` }, "As Markdown"))),
      el("p.u-muted", {}, `${swapped} of ${report.media.frames} frames swapped in ${duration(total)} of work, ${dollars(sum(report.measurements, "cost_usd"))}.${exact}`)),
    el(".j-tables", {}, bySegment(job, report), byStage(report, total)),
  ];
}

function bySegment(job, report) {
  const rows = job.segments.map((segment, index) => {
    const work = report.measurements.filter((m) => m.segment === index);
    return { segment, outcome: report.outcomes[index], seconds: sum(work, "wall_s"), usd: sum(work, "cost_usd"), reused: work.some((m) => m.reused) };
  });
  const most = Math.max(...rows.map((row) => row.seconds), 1e-9);
  const body = rows.map(({ segment, outcome, seconds, usd, reused }) => el("tr", {},
    el("th", { scope: "row" }, el(`span.u-key.${segment.swap ? "swap" : "keep"}`), el("span.u-number", {}, span(segment))),
    cell(segment.swap ? `${outcome?.swapped_frames ?? 0} of ${outcome?.frames ?? 0}` : "untouched"),
    el("td.j-barcell", {}, bar(seconds / most, segment.swap ? "swap" : "keep")),
    cell(segment.swap ? `${duration(seconds)}${reused ? ", reused" : ""}` : "0 s"),
    cell(segment.swap && seconds ? `${(outcome.frames / seconds).toFixed(0)} frames/s` : ""), cell(dollars(usd))));
  return table("Time and cost by segment", ["Segment", "Frames swapped", null, "Time", "Speed", "Cost"], body);
}

function byStage(report, total) {
  const steps = new Map();
  for (const m of report.measurements) {
    const step = steps.get(m.step) ?? { seconds: 0, usd: 0, memory: 0 };
    steps.set(m.step, { seconds: step.seconds + m.wall_s, usd: step.usd + m.cost_usd, memory: Math.max(step.memory, m.peak_rss_mb) });
  }
  const most = Math.max(...[...steps.values()].map((step) => step.seconds), 1e-9);
  const body = [...steps].map(([name, { seconds, usd, memory }]) => el("tr", {},
    el("th", { scope: "row" }, STEPS[name] ?? name),
    el("td.j-barcell", {}, bar(seconds / most, name === "swap" ? "swap" : "other")),
    cell(duration(seconds)), cell(percent(total ? seconds / total : 0)), cell(`${Math.round(memory)} MB`), cell(dollars(usd))));
  return table("Share by stage", ["Stage", null, "Time", "Share", "Memory", "Cost"], body);
}

function table(name, heads, rows) {
  return el("section.u-stack", {}, el("h3", {}, name), el(".u-scroll", { tabIndex: 0, role: "region", "aria-label": name },
    el("table.u-table", {}, el("thead", {}, el("tr", {}, heads.map((head, index) =>
      head === null ? el("td", { "aria-hidden": "true" }) : el(index ? "th.u-number" : "th", { scope: "col" }, head)))), el("tbody", {}, rows))));
}

const cell = (text) => el("td.u-number", {}, text);
const bar = (share, kind) => el(`span.j-chart.${kind}`, { "aria-hidden": "true", style: { width: `${Math.max(share * 100, 0.5)}%` } });
const sum = (measurements, name) => measurements.reduce((all, m) => all + m[name], 0);
const percent = (share) => `${share > 0 && share < 0.01 ? "< 1" : Math.round(share * 100)} %`;

/** Frames before and after, from all over the video. */
export function sheet(job) {
  const picture = el("img.j-sheet", { src: `/desk/jobs/${job.id}/sheet`, loading: "lazy", decoding: "async", alt: `Frames of ${job.name} before and after` });
  return el("section.u-stack", {}, el("h2", {}, "Contact sheet"), el("a", { href: `/desk/jobs/${job.id}/sheet`, target: "_blank", "aria-label": "Open the contact sheet" }, picture));
}

// One job: how far it is; what it made, or what went wrong; how to do it again. It survives a restart of the workbench.

import { ask, capital, duration, el, fault, fill } from "./lib.js";
import { follow } from "./following.js";
import { say, segmentBar, set } from "./jobbar.js";
import { fillActions } from "./joblist.js";
import { chartsAndTables, sheet } from "./jobreport.js";
import { again as doAgain, takeAway } from "./jobtake.js";
import { cost, doing, event, exactly, seconds, span, speed, stage, status, time } from "./jobwords.js";
import { player } from "./player.js";

export function mountJob(element, id) {
  const path = `/desk/jobs/${encodeURIComponent(id)}`;
  const top = el(".j-top", {}, el(".j-row.j-blank.u-busy", { "aria-hidden": "true" }));
  const notes = el(".j-notes"), body = el(".j-body");
  fill(element, el("a.j-back.u-small", { href: "/jobs" }, "All jobs"), top, notes, body);
  let head = null, shown = "", parts = {};

  const show = (job) => {
    document.title = `${job.name} · ${status(job)} · ugclab`;
    if (!head) fill(top, (head = header(job, now)).element);
    head.update(job);
    if (shown !== job.status) fill(body, Object.values((parts = bodyOf(job, now))).map((part) => part.element));
    shown = job.status;
    for (const part of Object.values(parts)) part.update?.(job);
    return job.live;
  };
  const refused = (error) => {
    fill(top);
    fill(body, error.code === "job_not_found" ? missing() : fault(error));
  };
  const now = follow(path, { show, place: notes, refused });
  return now();
}

function missing() {
  return el(".u-empty", {}, el("h2", {}, "There is no such job here"),
    el("p.u-muted", {}, "It was deleted, its time was up, or it belongs to another browser: jobs are seen only where they were submitted."),
    el("a.u-button", { href: "/jobs" }, "See your jobs"));
}

/** Name, status, the one bar, and what is left. */
function header(job, again) {
  const word = el("b.j-status", { role: "status" }), meta = el("span.u-number.j-meta"), what = el("span.j-doing");
  const rate = el("span.u-number"), percent = el("span.u-number"), actions = el(".j-actions"), trouble = el(".j-trouble");
  const over = el("span.j-over");
  const bar = segmentBar(job, { labels: true });
  const element = el(".j-header", {},
    el(".j-title", {}, el("h1", { title: job.name }, job.name), word, meta),
    bar.element,
    el(".j-line.j-facts", {}, what, percent, rate, over, actions), trouble);
  let state = "";
  const update = (job) => {
    bar.update(job);
    set(element, "data-status", job.status);
    say(word, status(job));
    say(meta, [time(job), cost(job, seconds(job.now))].filter(Boolean).join(", "));
    say(what, job.status === "failed" ? "" : doing(job));
    say(percent, job.status === "running" ? `${Math.round(job.percent)} %` : "");
    say(rate, speed(job));
    say(over, job.recoveries ? "taken over by another worker" : "");
    if (state !== job.status) fillActions(actions, { ...job, may_retry: job.status === "cancelled" }, { trouble, again, onDeleted: () => { location.href = "/jobs"; }, save: false });
    state = job.status;
  };
  return { element, update };
}

function bodyOf(job, again) {
  if (job.status === "succeeded") return finished(job);
  const parts = { facts: soFar(job), log: log(job) };
  return job.status === "failed" ? { why: failure(job, again), ...parts } : parts;
}

/** What was wrong, where and when, what to do; and one button. */
function failure(job, again) {
  const { error } = job;
  const part = error.segment === null ? null : job.segments[error.segment];
  const trouble = el(".j-trouble");
  const from = error.stage ? ` from ${stage(error.stage)}` : "";
  const retry = el("button.u-button.u-primary", { type: "button", onclick: async () => {
    retry.disabled = true;
    try { await ask(`/desk/jobs/${job.id}/retry`, undefined, { method: "POST" }); await again(); } catch (refusal) { fill(trouble, fault(refusal)); retry.disabled = false; }
  } }, "Retry");
  const row = (name, words) => words && el(".j-pair", {}, el("dt", {}, name), el("dd", {}, words));
  return { element: el("section.j-failure.u-fault", { "aria-label": "What went wrong" },
    el("h2", {}, `${capital(error.message)}.`),
    el("dl.j-pairs", {},
      row("Where", part ? `${part.swap ? "the segment to swap" : "the untouched segment"} ${span(part)}` : ""),
      row("While", error.stage ? stage(error.stage) : ""),
      row("What to do", error.hint ? `${capital(error.hint)}.` : "")),
    el(".u-row", {}, retry, el("span.u-muted.u-small", {}, `It goes on${from}; what was finished before is kept.`)), trouble) };
}

/** What is known while there is no result: what was given, and which stages are over. */
function soFar(job) {
  const media = job.media;
  const face = el("img.j-portrait", { src: `/desk/jobs/${job.id}/given/avatar`, alt: "The face that is put in", decoding: "async" });
  face.addEventListener("error", () => face.classList.add("j-none"), { once: true });
  const warnings = el(".u-stack.j-warnings");
  const steps = el("ol.j-steps", { "aria-label": "Stages" });
  const fact = (name, words) => el(".j-pair", {}, el("dt", {}, name), el("dd", {}, words));
  const element = el(".j-known", {}, 
    el("section.u-stack", {}, el("h2", {}, "So far"), steps, warnings),
    el("section.u-stack", {}, el("h2", {}, "What was asked for"), el(".j-asked", {}, face,
      el("dl.j-pairs", {},
        media && fact("Footage", `${duration(media.duration)}, ${media.width}x${media.height} px, ${media.frames} frames`),
        fact("Face", job.avatar), fact("Engine", job.engine), fact("Submitted", exactly(job.created_at))))));
  const update = (job) => {
    const lines = stages(job);
    if (steps.children.length !== lines.length) steps.replaceChildren(...lines.map(() => el("li", {}, el("span.j-step"), el("span.u-number"))));
    lines.forEach(([name, value, state], index) => {
      set(steps.children[index], "data-state", state);
      say(steps.children[index].firstChild, name);
      say(steps.children[index].lastChild, value);
    });
    const texts = job.warnings.join("\n");
    if (warnings.dataset.texts !== texts) fill(warnings, job.warnings.map((text) => el("p.u-note", {}, `${capital(text)}.`)));
    warnings.dataset.texts = texts;
  };
  return { element, update };
}

/** The stages of this attempt: over, now, or to come. */
function stages(job) {
  const over = new Map(job.events.filter((line) => line.what === "done" && line.attempt === job.attempt).map((line) => [line.stage, line.seconds]));
  const swaps = job.segments.map((segment, index) => [segment, `swap ${index}`]).filter(([segment]) => segment.swap).map(([, name]) => name);
  const fetched = over.has("ingest") || job.stage === "ingest" ? ["ingest"] : [];
  const current = job.segment === null ? job.stage : `${job.stage} ${job.segment}`;
  return [...fetched, "analyse", ...(swaps.length ? swaps : ["swap"]), "stitch"].map((name) => {
    if (over.has(name)) return [capital(stage(name, job.segments, true)), duration(over.get(name)), "over"];
    const now = job.status === "running" && name === current;
    const stopped = job.status === "failed" && name === (job.error.stage === "swap" ? `swap ${job.error.segment}` : job.error.stage);
    return [capital(stage(name, job.segments)), now ? `${Math.round(job.share * 100)} %` : stopped ? "failed" : "", now ? "now" : stopped ? "stopped" : "later"];
  });
}

function finished(job) {
  const film = el(".j-film", {}, el(".j-hold.u-busy", {}, el("span", { role: "status" }, "Making a copy that every browser plays")));
  if (job.media) film.style.setProperty("--j-ratio", String(job.media.width / job.media.height));
  const report = el(".j-report", {}, el(".j-blank.j-tall.u-busy"));
  showFilms(job, film);
  ask(`/desk/jobs/${job.id}/report.json`).then((found) => fill(report, chartsAndTables(job, found)), (error) => fill(report, fault(error)));
  const warnings = job.warnings.map((text) => el("p.u-note", {}, `${capital(text)}.`));
  return {
    top: { element: el(".j-result", {}, 
      el(".j-left", {}, el("section", { "aria-label": "Before and after" }, film), warnings.length ? el("section.u-stack", {}, el("h2", {}, "Worth knowing"), warnings) : null),
      el(".j-aside", {}, takeAway(job), doAgain(job))) },
    report: { element: report },
    sheet: { element: sheet(job) },
    log: log(job),
  };
}

/**
 * Before and after as films that every browser plays. They are made when they are first asked for, which takes a while;
 * until then the files themselves are shown where they are of the kind that plays, and may stutter when scrubbed.
 */
async function showFilms(job, place) {
  const path = `/desk/jobs/${job.id}/proof`, { media, segments } = job;
  let plain = null;
  try {
    let found = await ask(path, {});
    if (!found.before && media?.codec === "h264") {
      const base = `/desk/jobs/${job.id}`;
      plain = player({ ...media, rate: media.rate[0] / media.rate[1], before: `${base}/given/source`, after: `${base}/result`, segments });
      plain.note("Making copies that are easier on the browser");
      fill(place, plain.element);
    }
    while (!found.before) {
      await new Promise((resolve) => setTimeout(resolve, 700));
      found = await ask(`${path}?look=${encodeURIComponent(found.look)}`);
    }
    await plain?.idle();
    fill(place, player({ ...found, segments }, plain?.at()).element);
  } catch (error) {
    if (plain) plain.note("");
    else fill(place, fault(error));
  }
}

/** The job's own log, folded away. */
function log(job) {
  const lines = el("ol.j-lines");
  const element = el("details.u-box.j-log", {}, el("summary", {}, "Log"), lines);
  const update = (job) => {
    for (const line of job.events.slice(lines.children.length)) {
      lines.append(el("li", { "data-what": line.what }, el("time", { dateTime: line.at, title: exactly(line.at) }, new Date(line.at).toLocaleTimeString()),
        el("span", {}, event(line, job.segments)), line.attempt > 1 ? el("span.u-muted", {}, `attempt ${line.attempt}`) : null));
    }
  };
  update(job);
  return { element, update };
}

// A job in words: what it is at, since when, what it cost. Names of files go through as text, never as markup.

import { capital, clock, duration, plural } from "./lib.js";

const STATUS = { queued: "Waiting", running: "Running", succeeded: "Done", failed: "Failed", cancelled: "Cancelled" };
const STAGES = {
  "": ["starting", "started"], ingest: ["fetching the files", "files fetched"], analyse: ["finding faces", "faces found"],
  swap: ["swapping", "swapped"], stitch: ["putting it together", "put together"], publish: ["storing it", "stored"],
};

export const status = (job) => STATUS[job.status] ?? job.status;

/** "00:05 – 00:10", with hundredths where a boundary needs them. */
export function span(segment) {
  const whole = [segment.start, segment.end].every((time) => Math.abs(time - Math.round(time)) < 0.005);
  return `${clock(segment.start, !whole)} – ${clock(segment.end, !whole)}`;
}

/** What a stage is called while it runs, or once it is over; "swap 2" names a segment of the job. */
export function stage(name, segments = [], over = false) {
  const [word, index] = name.split(" ");
  const words = (STAGES[word] ?? [word, word])[over ? 1 : 0];
  const part = index === undefined ? null : segments[Number(index)];
  return part ? `${words} ${span(part)}` : words;
}

export const stageOf = (job) => stage(job.segment === null ? job.stage : `${job.stage} ${job.segment}`, job.segments);

/** One line of what goes on now. */
export function doing(job) {
  if (job.status === "queued") return job.attempt > 1 ? "Waiting to be tried again" : "Waiting for a worker";
  if (job.status === "running") return capital(stageOf(job));
  if (job.status === "failed") return `${capital(job.error?.message ?? "it failed")}.`;
  if (job.status === "cancelled") return "Stopped; what was finished is kept for a retry";
  const parts = job.segments.filter((segment) => segment.swap).length;
  return `${plural(parts, "segment")} swapped`;
}

export const speed = (job) => job.status === "running" && job.frames_per_s ? `${job.frames_per_s.toFixed(1)} frames/s` : "";

/** What is left of a running job, or what it took. */
export function time(job) {
  if (job.status === "running" && job.eta_s !== null) return job.eta_s < 1 ? "almost done" : `about ${duration(Math.round(job.eta_s))} left`;
  if (job.status === "succeeded") return `took ${duration(seconds(job.ended_at) - seconds(job.started_at))}`;
  return "";
}

/** Dollars: of a running job what it has come to so far, at the price of an hour here. */
export function cost(job, now) {
  if (job.status === "succeeded") return dollars(job.cost_usd);
  if (job.status !== "running") return "";
  return `${dollars(((now - seconds(job.started_at)) / 3600) * job.usd_per_hour)} so far`;
}

/** Money to a hundredth of a cent: less says nothing of a video. */
export function dollars(usd) {
  if (usd > 0 && usd < 0.00005) return "< $0.0001";
  return `$${usd.toFixed(usd === 0 || usd >= 0.1 ? 2 : 4)}`;
}

export const seconds = (iso) => Date.parse(iso) / 1000;
export const exactly = (iso) => new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });

/** "just now", "4 min ago", "3 h ago", "12 Nov". */
export function ago(iso, now) {
  const gone = now - seconds(iso);
  if (gone < 45) return "just now";
  if (gone < 3600) return `${Math.max(1, Math.round(gone / 60))} min ago`;
  if (gone < 86400) return `${Math.round(gone / 3600)} h ago`;
  return new Date(iso).toLocaleDateString(undefined, { day: "numeric", month: "short" });
}

/** A line of a job's log. */
export function event(line, segments) {
  const what = line.stage ? capital(stage(line.stage, segments, line.what === "done")) : "";
  switch (line.what) {
    case "queued": return "Put in line";
    case "begun": return "A worker began";
    case "taken_over": return "Taken over by another worker: the one before went silent";
    case "done": return `${what}, ${duration(line.seconds ?? 0)}`;
    case "again": return `${what} did not work, tried again: ${line.text}`;
    case "failed": return `Failed${line.stage ? ` while ${stage(line.stage, segments)}` : ""}: ${line.text}`;
    case "retried": return "Somebody asked for a retry";
    case "cancelled": return "Cancelled";
    default: return "Done";
  }
}

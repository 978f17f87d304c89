// Two videos of the same frames, in step: before/after in one frame or side by side, and a scrubber drawn from the plan.

import { clock, el } from "./lib.js";
import { slider } from "./slider.js";
import { span } from "./jobwords.js";

const GIVE_UP_S = 0.4; // further apart than that they are brought together by a seek
const PULL = 0.8, MOST = 0.1; // playbackRate leans by so much per second of drift, and never by more than 10 %

/**
 * `player({before, after, width, height, rate, duration, segments}, at)`: {element, note, at, idle}. `rate` is frames a
 * second, `at` seconds to begin at: without it the first swapped segment. `idle()` waits until nothing plays.
 */
export function player(film, at) {
  const { width, height, rate, duration, segments } = film;
  const before = video(film.before), after = video(film.after);
  before.muted = true;
  const stage = slider(before, after, { ratio: width / height });
  const time = el("span.j-clock.u-number", {}, clock(0));
  const scrub = scrubber({ segments, duration, rate, to: (seconds) => seek(seconds), toggle: () => toggle() });
  const play = el("button.u-button.j-play", { type: "button", onclick: () => toggle() }, "Play");
  const sound = el("button.u-button.u-plain", { type: "button", "aria-pressed": "false", onclick: () => mute(!after.muted) }, "Sound off");
  const beside = el("button.u-button.u-plain", { type: "button", "aria-pressed": "false", onclick: () => side() }, "Side by side");
  const words = el("span.u-muted.u-small.j-note", { role: "status" });
  const root = el(".j-player", {}, stage, el(".j-controls", {}, play, scrub.element, time), el(".u-row.j-extras", {}, beside, sound, words));
  root.style.setProperty("--j-ratio", String(width / height));

  const show = (seconds) => {
    const at = Math.min(Math.max(0, seconds), duration);
    time.textContent = clock(at);
    scrub.show(at);
  };
  const frames = pair(before, after, { rate, duration, show });
  const seek = (seconds) => { frames.seek(seconds); show(frames.wanted()); };
  const toggle = () => frames.playing() ? frames.pause() : frames.play();
  const mute = (off) => {
    after.muted = off;
    sound.textContent = off ? "Sound off" : "Sound on";
    sound.setAttribute("aria-pressed", String(!off));
  };
  const side = () => {
    const on = stage.classList.toggle("j-side");
    beside.textContent = on ? "One frame" : "Side by side";
    beside.setAttribute("aria-pressed", String(on));
  };
  after.addEventListener("play", () => { play.textContent = "Pause"; });
  after.addEventListener("pause", () => { play.textContent = "Play"; });
  mute(true);
  const first = segments.find((segment) => segment.swap);
  seek(at ?? (first ? (first.start + first.end) / 2 : 0));
  const note = (text) => { words.textContent = text; words.classList.toggle("u-busy", text !== ""); };
  const idle = () => after.paused && !root.contains(document.activeElement) ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, 500)).then(idle);
  return { element: root, note, at: () => frames.wanted(), idle };
}

function video(source) {
  return el("video", { src: source, preload: "auto", playsInline: true, muted: true, tabIndex: -1, "aria-hidden": "true" });
}

/** Keeps two videos at the same frame. `after` leads; `before` leans towards it. */
function pair(before, after, { rate, duration, show }) {
  const frame = (seconds) => Math.min(Math.max(0, Math.floor(seconds * rate + 1e-6)), Math.max(0, Math.round(duration * rate) - 1));
  const middle = (seconds) => (frame(seconds) + 0.5) / rate; // the middle of a frame: no rounding takes it to another
  let target = 0, busy = false, again = false;

  const settled = (film) => film.readyState < 1 ? once(film, "loadedmetadata") : Promise.resolve();
  const bring = (film, seconds) => settled(film).then(() => {
    if (Math.abs(film.currentTime - seconds) < 1e-3 && !film.seeking) return null;
    const done = once(film, "seeked");
    film.currentTime = seconds;
    return done;
  });
  const seek = async (seconds) => {
    target = middle(seconds);
    if (busy) { again = true; return; }
    busy = true;
    do { // the newest wish wins; one seek of each film at a time
      again = false;
      await Promise.all([bring(before, target), bring(after, target)]);
    } while (again);
    busy = false;
  };
  const lean = (now, seen) => {
    if (after.paused) return;
    target = seen.mediaTime;
    show(seen.mediaTime);
    const drift = before.currentTime - after.currentTime;
    if (Math.abs(drift) > GIVE_UP_S) before.currentTime = after.currentTime;
    else before.playbackRate = 1 - Math.max(-MOST, Math.min(MOST, drift * PULL));
    after.requestVideoFrameCallback(lean);
  };
  const play = async () => {
    if (target > duration - 1.5 / rate) await seek(0);
    await Promise.all([before.play(), after.play()]).catch(() => pause());
    after.requestVideoFrameCallback(lean);
  };
  const pause = () => {
    before.pause();
    after.pause();
    before.playbackRate = 1;
    seek(after.currentTime);
    show(target);
  };
  after.addEventListener("ended", () => pause());
  after.addEventListener("waiting", () => !after.paused && before.pause());
  after.addEventListener("playing", () => before.paused && before.play().catch(() => {}));
  return { seek, play, pause, playing: () => !after.paused, wanted: () => target };
}

const once = (film, name) => new Promise((resolve) => film.addEventListener(name, resolve, { once: true }));

/** The plan as a line one can drag along: role=slider, a frame a key. */
function scrubber({ segments, duration, rate, to, toggle }) {
  const head = el("span.j-head-at", { "aria-hidden": "true" });
  const element = el(".j-scrub", { role: "slider", tabIndex: 0, "aria-label": "Frame", "aria-valuemin": "0" },
    el(".j-scrub-line", { "aria-hidden": "true" }, segments.map((segment) =>
      el(`span.${segment.swap ? "swap" : "keep"}`, { style: { flexGrow: String(segment.end - segment.start) } }))), head);
  element.setAttribute("aria-valuemax", String(Math.max(0, Math.round(duration * rate) - 1)));
  let at = 0;
  const show = (seconds) => {
    at = seconds;
    head.style.left = `${(seconds / duration) * 100}%`;
    const part = segments.find((segment) => seconds >= segment.start && seconds < segment.end);
    element.setAttribute("aria-valuenow", String(Math.floor(seconds * rate + 1e-6)));
    element.setAttribute("aria-valuetext", `${clock(seconds)}${part ? `, ${part.swap ? "swapped" : "untouched"} ${span(part)}` : ""}`);
  };
  const point = (event) => {
    const box = element.getBoundingClientRect();
    to(Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) * duration);
  };
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    element.setPointerCapture(event.pointerId);
    point(event);
  });
  element.addEventListener("pointermove", (event) => element.hasPointerCapture(event.pointerId) && point(event));
  element.addEventListener("keydown", (event) => {
    const step = (event.shiftKey ? 10 : 1) / rate;
    const moves = { ArrowLeft: at - step, ArrowDown: at - step, ArrowRight: at + step, ArrowUp: at + step, PageUp: at + 1, PageDown: at - 1, Home: 0, End: duration };
    if (event.key === " ") toggle();
    else if (event.key in moves) to(moves[event.key]);
    else return;
    event.preventDefault();
  });
  show(0);
  return { element, show };
}

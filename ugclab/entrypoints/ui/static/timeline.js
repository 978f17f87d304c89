// The footage as a strip: segments to toggle, edges to move, a playhead that picks the previewed frame.
// All positions are frame numbers; a plan is written in exact times, frame / rate as a ratio.

import { clock, duration, el, fill, plural } from "./lib.js";

const LEAST_S = 0.2; // a segment shorter than that cannot be hit with a finger

/** Segments [{from, to, action}] in frames, from a plan's text as SegmentPlan prints it. */
export function readPlan(text, rate, frames) {
  const [num, den] = rate;
  const seconds = (time) => time.split("/").map(Number).reduce((a, b) => a / b);
  const frame = (time) => Math.min(frames, Math.max(0, Math.ceil(seconds(time) * num / den - 1e-6)));
  const segments = text.split(",").map((part) => {
    const [times, action] = part.trim().split(":");
    const [from, to] = times.split("-");
    return { from: frame(from), to: frame(to), action };
  });
  segments.at(-1).to = frames;
  return segments.filter((s) => s.to > s.from);
}

/** The plan's text: each time exactly a frame's. */
export function writePlan(segments, rate) {
  const [num, den] = rate;
  const time = (frame) => (frame * den) % num === 0 ? String((frame * den) / num) : `${frame * den}/${num}`;
  return segments.map((s, n) => {
    const to = n === segments.length - 1 ? "end" : time(s.to);
    return `${time(s.from)}-${to}:${s.action}`;
  }).join(",");
}

export class Timeline {
  /** `on.plan(segments)` after each finished gesture, `on.seek(frame)` while the playhead moves. */
  constructor(on) {
    this.on = on;
    this.segments = [];
    this.frames = 0;
    this.rate = [25, 1];
    this.at = 0;
    this.ruler = el(".tl-ruler");
    this.thumbs = el(".tl-thumbs", { "aria-hidden": "true" });
    this.lane = el(".tl-lane");
    this.head = el(".tl-head", { role: "slider", tabIndex: 0, "aria-label": "Frame to preview" }, el("span.u-number"));
    const says = el("p.tl-says", {}, "The footage stands here as a strip. Press a segment to swap or keep it, drag its edges, move the playhead to preview a frame.");
    this.body = el(".tl-body", {}, this.ruler, this.thumbs, says, this.lane, this.head);
    this.element = el(".tl", {}, this.body);
    this.#listen();
    new ResizeObserver(() => this.#drawStrip()).observe(this.body);
  }

  get fps() { return this.rate[0] / this.rate[1]; }
  get least() { return Math.max(1, Math.min(Math.round(LEAST_S * this.fps), Math.floor(this.frames / 2))); }

  show({ frames, rate, segments, at }) {
    Object.assign(this, { frames, rate, segments, at });
    this.element.classList.toggle("tl-empty", !frames);
    this.#draw();
  }

  setStrip(strip) { this.strip = strip; this.#drawStrip(); }
  setSegments(segments) { this.segments = segments; this.#draw(); }
  seek(frame, tell = true) {
    this.at = Math.min(this.frames - 1, Math.max(0, Math.round(frame)));
    this.#drawHead();
    if (tell) this.on.seek(this.at);
  }

  /** Cut the segment under the playhead in two. */
  split() {
    const n = this.segments.findIndex((s) => this.at >= s.from + this.least && this.at <= s.to - this.least);
    if (n < 0) return false;
    const whole = this.segments[n];
    this.#commit(this.segments.toSpliced(n, 1, { ...whole, to: this.at }, { ...whole, from: this.at }), n);
    return true;
  }

  setAll(action) { this.#commit([{ from: 0, to: this.frames, action }], 0); }

  #toggle(n) {
    const action = this.segments[n].action === "swap" ? "keep" : "swap";
    this.#commit(this.segments.with(n, { ...this.segments[n], action }), n);
  }

  /** Take away the edge between two segments: the first one's action stays. */
  #join(n) {
    const [a, b] = this.segments.slice(n, n + 2);
    this.#commit(this.segments.toSpliced(n, 2, { ...a, to: b.to }), n);
  }

  #commit(segments, focus) {
    this.segments = segments;
    this.#draw();
    this.lane.querySelectorAll("button")[focus]?.focus({ preventScroll: true });
    this.on.plan(segments);
  }

  #moveEdge(n, frame) {
    const [a, b] = this.segments.slice(n, n + 2);
    const at = Math.min(b.to - this.least, Math.max(a.from + this.least, Math.round(frame)));
    this.segments = this.segments.with(n, { ...a, to: at }).with(n + 1, { ...b, from: at });
    this.#place();
    this.seek(at);
  }

  #draw() {
    const parts = [];
    this.segments.forEach((s, n) => {
      parts.push(el("button.tl-segment", { type: "button", onclick: () => this.#toggle(n) },
        el("span.tl-label", {}, el("b"), el("span.u-number"))));
      if (n < this.segments.length - 1) parts.push(this.#edge(n));
    });
    fill(this.lane, parts);
    this.#place();
    this.#drawRuler();
    this.#drawHead();
    this.#drawStrip();
  }

  #edge(n) {
    const edge = el(".tl-edge", { role: "slider", tabIndex: 0, title: "Drag to move; Delete joins the two segments" });
    edge.addEventListener("pointerdown", (event) => this.#drag(event, (frame) => this.#moveEdge(n, frame), () => this.on.plan(this.segments)));
    edge.addEventListener("keydown", (event) => {
      if (event.key === "Delete" || event.key === "Backspace") { event.preventDefault(); this.#join(n); return; }
      const moved = this.#key(event, this.segments[n].to);
      if (moved === null) return;
      this.#moveEdge(n, moved);
      this.on.plan(this.segments);
    });
    return edge;
  }

  /** Put segments and edges where they belong, without making them anew: what is being dragged stays. */
  #place() {
    const share = (frame) => `${(100 * frame) / (this.frames || 1)}%`;
    const buttons = this.lane.querySelectorAll(".tl-segment"), edges = this.lane.querySelectorAll(".tl-edge");
    this.segments.forEach((s, n) => {
      const swap = s.action === "swap", length = (s.to - s.from) / this.fps, button = buttons[n];
      Object.assign(button.style, { left: share(s.from), width: share(s.to - s.from) });
      button.classList.toggle("swap", swap);
      button.setAttribute("aria-pressed", String(swap));
      button.setAttribute("aria-label", `Segment ${n + 1}, ${clock(s.from / this.fps)} to ${clock(s.to / this.fps)}: ${swap ? "swapped" : "kept"}`);
      button.querySelector("b").textContent = swap ? "Swap" : "Keep";
      button.querySelector(".u-number").textContent = duration(length);
    });
    edges.forEach((edge, n) => {
      const to = this.segments[n].to;
      edge.style.left = share(to);
      edge.setAttribute("aria-label", `Edge between segments ${n + 1} and ${n + 2}`);
      this.#value(edge, to);
    });
  }

  #value(slider, frame) {
    slider.setAttribute("aria-valuemin", "0");
    slider.setAttribute("aria-valuemax", String(this.frames));
    slider.setAttribute("aria-valuenow", String(frame));
    slider.setAttribute("aria-valuetext", `${clock(frame / this.fps)}, frame ${frame}`);
  }

  #drawHead() {
    this.head.style.left = `${(100 * (this.at + 0.5)) / (this.frames || 1)}%`;
    this.head.firstChild.textContent = clock(this.at / this.fps);
    this.head.classList.toggle("tl-near-end", this.at > this.frames * 0.92);
    this.head.classList.toggle("tl-near-start", this.at < this.frames * 0.08);
    this.#value(this.head, this.at);
  }

  #drawRuler() {
    const length = this.frames / this.fps, room = Math.max(2, Math.floor(this.body.clientWidth / 110));
    const step = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200].find((s) => length / s <= room) ?? 3600;
    const ticks = [];
    for (let t = 0; t < length - step * 0.3; t += step) {
      ticks.push(el("span.u-number", { style: { left: `${(100 * t) / length}%` } }, clock(t, step < 1)));
    }
    fill(this.ruler, ticks);
  }

  /** As many thumbnails as fit, each the one nearest to the middle of its place. */
  #drawStrip() {
    if (!this.strip || !this.body.clientWidth) { fill(this.thumbs); return; }
    const { url, tile_width: wide, tile_height: high, times } = this.strip;
    const height = this.thumbs.clientHeight || high, scaled = (wide * height) / high;
    const places = Math.ceil(this.body.clientWidth / scaled), length = this.frames / this.fps;
    const slots = [];
    for (let n = 0; n < places; n += 1) {
      const middle = ((n + 0.5) * scaled / this.body.clientWidth) * length;
      let best = 0;
      times.forEach((t, i) => { if (Math.abs(t - middle) < Math.abs(times[best] - middle)) best = i; });
      slots.push(el("i", { style: {
        width: `${scaled}px`, backgroundImage: `url("${url}")`,
        backgroundSize: `${scaled * times.length}px ${height}px`, backgroundPosition: `${-best * scaled}px 0`,
      } }));
    }
    fill(this.thumbs, slots);
    this.#drawRuler();
  }

  #key(event, frame) {
    const second = Math.round(this.fps), big = event.shiftKey ? 10 : 1;
    const to = {
      ArrowLeft: frame - big, ArrowDown: frame - big, ArrowRight: frame + big, ArrowUp: frame + big,
      PageDown: frame - second, PageUp: frame + second, Home: 0, End: this.frames,
    }[event.key];
    if (to === undefined) return null;
    event.preventDefault();
    return to;
  }

  #drag(event, move, done = () => {}) {
    if (event.button) return;
    event.preventDefault();
    event.stopPropagation();
    const target = event.currentTarget, box = this.body.getBoundingClientRect();
    const frame = (e) => ((e.clientX - box.left) / box.width) * this.frames;
    target.setPointerCapture(event.pointerId);
    target.focus({ preventScroll: true });
    const onMove = (e) => move(frame(e));
    const onUp = () => {
      target.removeEventListener("pointermove", onMove);
      target.removeEventListener("pointerup", onUp);
      target.removeEventListener("pointercancel", onUp);
      done();
    };
    target.addEventListener("pointermove", onMove);
    target.addEventListener("pointerup", onUp);
    target.addEventListener("pointercancel", onUp);
  }

  #listen() {
    this.ruler.addEventListener("pointerdown", (event) => {
      const box = this.body.getBoundingClientRect();
      this.seek(((event.clientX - box.left) / box.width) * this.frames);
      this.#drag(event, (frame) => this.seek(frame));
    });
    this.head.addEventListener("pointerdown", (event) => this.#drag(event, (frame) => this.seek(frame)));
    this.head.addEventListener("keydown", (event) => {
      const moved = this.#key(event, this.at);
      if (moved !== null) this.seek(moved);
    });
  }
}

/** "2 segments, 10 s swapped, 20 s untouched" */
export function summary(segments, fps) {
  const swaps = segments.filter((s) => s.action === "swap");
  const length = swaps.reduce((sum, s) => sum + s.to - s.from, 0) / fps;
  const whole = segments.reduce((sum, s) => sum + s.to - s.from, 0) / fps;
  return `${plural(swaps.length, "segment")}, ${duration(length)} swapped, ${duration(whole - length)} untouched`;
}

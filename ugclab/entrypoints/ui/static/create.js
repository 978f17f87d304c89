// Create: bring footage and a face, choose the moments, see one frame of it, know time and price, submit.

import { ask, capital, clock, duration, el, every, fault, fill, megabytes, money, plural, settled } from "./lib.js";
import { Drop } from "./drop.js";
import { slider } from "./slider.js";
import { Timeline, readPlan, summary, writePlan } from "./timeline.js";

const KEPT = "ugclab-draft"; // the draft outlives a reload of the page

class Create {
  constructor(root) {
    this.draft = { source: null, avatar: null, segments: [], engine: "mesh", face: "largest", eyewear: "keep", watermark: "", at: 0 };
    this.page = crypto.randomUUID();
    this.asked = {};
    this.#build(root);
    this.#loadEngines();
    this.#restore();
  }

  // ---- what stands on the page

  #build(root) {
    this.sample = el("button.u-button", { type: "button", id: "try-sample", onclick: () => this.#takeSample() }, "Try the sample");
    this.source = new Drop("source", { title: "Source", says: "Drop a video here, or choose one", accept: "video/*,.mkv,.mxf,.ts" },
      { taken: (input) => this.#haveSource(input), cleared: () => this.#haveSource(null) });
    this.avatar = new Drop("avatar", { title: "Avatar", says: "Drop a photo of the face to put in", accept: "image/*" },
      { taken: (input) => this.#haveAvatar(input), cleared: () => this.#haveAvatar(null) });
    this.preview = el(".cr-preview", { "aria-live": "polite" });
    this.timeline = new Timeline({ plan: (segments) => this.#havePlan(segments), seek: (frame) => this.#seek(frame) });
    this.tools = el(".u-row.cr-tools");
    this.people = el(".cr-people");
    this.engines = el(".cr-engines", { role: "radiogroup", "aria-label": "Engine" });
    this.engineSays = el("p.u-muted.u-small.cr-engine-says");
    this.glasses = el("select.u-select", { id: "glasses", onchange: () => { this.draft.eyewear = this.glasses.value; this.#changed(); this.#askFrame(); } },
      el("option", { value: "keep" }, "Keep them on"), el("option", { value: "cover" }, "Cover them with the face"));
    this.mark = el("input.u-input", { id: "watermark", maxLength: 80, placeholder: "none", onchange: () => { this.draft.watermark = this.mark.value.trim(); this.#changed(); } });
    this.more = el("details.cr-more", {}, el("summary", {}, "More choices"),
      el(".cr-fields", {}, el("label", {}, "Glasses in the footage", this.glasses), el("label", {}, "Watermark on swapped frames", this.mark),
        el("p.u-muted.u-small", {}, "Every result says in its metadata that it was altered, with or without a watermark.")));
    this.estimate = el(".cr-estimate", { "aria-live": "polite" });
    this.notes = el(".u-stack.cr-notes", { "aria-live": "polite" });
    this.agreed = el("input", { type: "checkbox", id: "agreed", onchange: () => this.#showButton() });
    this.button = el("button.u-button.u-primary.cr-go", { type: "button", id: "submit", onclick: () => this.#submit() });
    this.said = el(".cr-said");
    const top = el(".cr-top", {},
      el(".u-stack.cr-left", {},
        el("h1", {}, "Put a face into the moments that matter."),
        el(".u-row", {}, this.sample, el("span.u-muted.u-small", {}, "or bring your own")),
        el(".cr-inputs", {}, this.source.element, this.avatar.element)),
      this.preview);
    const line = el("section.cr-line", { "aria-label": "Timeline" },
      el(".u-row.u-spread", {},
        el(".u-row", {}, el("h2", {}, "Timeline"),
          el("span.u-muted.u-small", {}, el("i.u-key.swap"), "swapped"), el("span.u-muted.u-small", {}, el("i.u-key.keep"), "untouched")),
        this.tools),
      this.timeline.element, this.people);
    const engine = el("section.cr-engine", { "aria-label": "Engine" }, el("h2", {}, "Engine"), this.engines, this.engineSays, this.more);
    const end = el("section.cr-end", { "aria-label": "Submit" },
      el(".u-stack", {}, this.estimate, this.notes),
      el(".u-stack", {}, el("label.cr-consent", {}, this.agreed, "I may use this face, and the person agreed"), this.button, this.said));
    fill(root, el("main.cr", {}, top, line, engine, end));
    this.#drawTools();
    this.#showPreview();
    this.#showEstimate();
    this.#showButton();
    this.timeline.show({ frames: 0, rate: [25, 1], segments: [], at: 0 });
  }

  #drawTools() {
    const tool = (text, says, work) => el("button.u-button.u-plain", { type: "button", title: says, disabled: !this.draft.source, onclick: work }, text);
    fill(this.tools,
      tool("Split here", "Cut the segment at the playhead in two", () => this.timeline.split()),
      tool("Where faces are", "Swap wherever a face is found", (event) => this.#planOfFaces(event.currentTarget)),
      tool("Swap all", "One segment, swapped", () => this.timeline.setAll("swap")),
      tool("Keep all", "One segment, kept", () => this.timeline.setAll("keep")));
  }

  // ---- inputs

  async #takeSample() {
    this.sample.disabled = true;
    this.source.busy("Fetching the sample");
    this.avatar.busy("Fetching the sample");
    try {
      const { source, avatar } = await ask("/desk/sample", {});
      this.#haveAvatar(avatar, false);
      this.#haveSource(source);
    } catch (error) {
      this.source.empty(error);
      this.avatar.empty();
    }
    this.source.element.classList.remove("u-busy");
    this.avatar.element.classList.remove("u-busy");
    this.sample.disabled = false;
  }

  #haveSource(input, kept = null) {
    const draft = this.draft;
    draft.source = input;
    this.strip = null;
    this.timeline.setStrip(null);
    draft.face = kept?.face ?? "largest";
    fill(this.people);
    fill(this.notes);
    if (input) {
      draft.segments = kept?.segments ?? readPlan(input.plan, input.rate, input.frames);
      draft.at = kept?.at ?? middle(draft.segments);
      this.picture = el(".cr-source", {}, video(input, () => this.#showPoster()));
      this.source.show(input, this.picture, `${duration(input.duration)}, ${input.width}×${input.height}`);
      this.timeline.show({ frames: input.frames, rate: input.rate, segments: draft.segments, at: draft.at });
      this.#askStrip();
    } else {
      draft.segments = [];
      this.timeline.show({ frames: 0, rate: [25, 1], segments: [], at: 0 });
    }
    this.#drawTools();
    this.#changed();
    this.#askFrame();
  }

  #haveAvatar(input, tell = true) {
    this.draft.avatar = input;
    if (input) this.avatar.show(input, el("img", { src: input.url, alt: "The face to put in" }));
    if (!tell) return;
    this.#changed();
    this.#askFrame();
  }

  #havePlan(segments) {
    this.draft.segments = segments;
    this.#changed();
    this.#showPreview();
    this.#askFrame();
  }

  #seek(frame) {
    this.draft.at = frame;
    this.#showPreview();
    this.#askFrame();
    this.#keep();
  }

  /** Something that decides the result has changed. */
  #changed() {
    this.#keep();
    this.#showButton();
    this.#askEstimate();
    this.#askFaces();
  }

  get plan() { return writePlan(this.draft.segments, this.draft.source.rate); }
  get fps() { return this.draft.source.rate[0] / this.draft.source.rate[1]; }
  get swaps() { return this.draft.segments.filter((s) => s.action === "swap"); }

  #document() {
    const { source, avatar, engine, face, eyewear } = this.draft;
    return { source: source.id, avatar: avatar?.id, plan: this.plan, engine, face, eyewear };
  }

  // ---- looks: one of a kind at a time, the newest wins

  async #look(kind, document, show, fail = () => {}) {
    const mine = (this.asked[kind] = Symbol(kind));
    try {
      let { id } = await ask("/desk/look", { kind, page: this.page, ...document });
      for (;;) {
        const seen = await ask(`/desk/look/${id}`);
        if (this.asked[kind] !== mine || seen.superseded) return;
        if (!seen.waiting) { show(seen); return; }
      }
    } catch (error) {
      if (this.asked[kind] === mine) fail(error);
    }
  }

  #askStrip() {
    this.#look("strip", { source: this.draft.source.id }, (seen) => { this.strip = seen; this.timeline.setStrip(seen); });
  }

  /** In the place of footage that the browser cannot play: one frame of it, as soon as one was seen. */
  #showPoster() {
    this.unplayable = this.draft.source.id;
    const says = el("span.drop-foot", {}, "Your browser cannot play this format; the workbench can.");
    fill(this.picture, this.shown && el("img", { src: this.shown.before, alt: "A frame of the source" }), says);
  }

  #askFrame = settled(90, () => {
    const { source, avatar, at } = this.draft;
    if (!source || !avatar || !this.#segmentAt(at)) { this.shown = null; this.#showPreview(); return; }
    const [num, den] = source.rate;
    this.preview.classList.add("u-busy");
    const { plan, ...rest } = this.#document();
    this.#look("frame", { ...rest, at: `${(2 * at + 1) * den}/${2 * num}` },
      (seen) => { this.shown = { ...seen, frame: at, of: source.id + avatar.id + this.draft.face + this.draft.engine }; this.preview.classList.remove("u-busy"); this.#showPreview(); if (this.unplayable === source.id) this.#showPoster(); },
      (error) => { this.preview.classList.remove("u-busy"); this.shown = null; this.#showPreview(error); });
  });

  #askFaces = settled(500, () => {
    const { source, avatar } = this.draft;
    if (!source || !this.swaps.length) { fill(this.notes); return; }
    this.#look("faces", this.#document(), (seen) => this.#haveFaces(seen), (error) => fill(this.notes, fault(error)));
  });

  #haveFaces(seen) {
    const notes = seen.warnings.map((warning) => el(".u-note", {}, `${capital(warning)}${/[.!?]$/.test(warning) ? "" : "."}`));
    fill(this.notes, seen.refused && fault(seen.refused), notes);
    this.refused = seen.refused;
    this.#showPeople(seen.people);
    this.#showButton();
  }

  async #planOfFaces(button) {
    button.disabled = true;
    button.classList.add("u-busy");
    const done = () => { button.disabled = false; button.classList.remove("u-busy"); };
    await this.#look("faces", { ...this.#document(), plan: "faces" }, (seen) => {
      if (!seen.plan) { fill(this.notes, seen.refused ? fault(seen.refused) : el(".u-note", {}, "No face was found in this video.")); return; }
      const { rate, frames } = this.draft.source;
      this.timeline.setSegments(readPlan(seen.plan, rate, frames));
      this.#havePlan(this.timeline.segments);
    }, (error) => fill(this.notes, fault(error)));
    done();
  }

  #showPeople(people) {
    if (people.length < 2) { fill(this.people); return; }
    const choice = (value, label, picture) => el("label.cr-person", { title: label },
      el("input", { type: "radio", name: "face", value, checked: this.draft.face === value, onchange: () => { this.draft.face = value; this.#changed(); this.#askFrame(); } }),
      picture ? el("img", { src: picture, alt: "" }) : null, el("span", {}, label));
    fill(this.people, el("fieldset", {}, el("legend", {}, `${plural(people.length, "person", "people")} in this video: whose face is replaced?`),
      choice("largest", "The largest"),
      people.map((p) => choice(`index:${p.index}`, `${ordinal(p.index)} from the left, ${Math.round(p.share * 100)} % of the time`, p.picture)),
      choice("all", "Everybody")));
  }

  // ---- what is shown

  #segmentAt(frame) { return this.draft.segments.find((s) => frame >= s.from && frame < s.to); }

  #showPreview(error = null) {
    const { source, avatar, at } = this.draft;
    const ratio = source ? Math.max(0.8, Math.min(2.4, source.width / source.height)) : 16 / 9;
    this.preview.style.setProperty("--cr-ratio", ratio);
    if (error) { this.#put("error", el(".cr-empty", {}, fault(error))); return; }
    if (!source || !avatar) {
      const missing = source ? "Bring a face, and one frame is shown here before and after." : avatar
        ? "Bring a video, and one frame of it is shown here before and after."
        : "One frame, before and after, is shown here as soon as there are a video and a face. Nothing runs before you say so.";
      this.#put("empty", el(".cr-empty", {}, el("h2", {}, "Preview"), el("p.u-muted", {}, missing)));
      return;
    }
    const seen = this.shown;
    if (!seen) { this.#put("wait", el(".cr-empty", {}, el("p.u-muted", {}, "Putting the face into one frame"))); return; }
    const keep = this.#segmentAt(at)?.action === "keep";
    const which = `${seen.before} ${keep}`;
    if (this.put !== which) {
      const before = el("img", { src: seen.before, alt: "The frame as it is" });
      const frame = keep ? el(".cr-kept", {}, before)
        : slider(before, el("img", { src: seen.after, alt: "The frame with the face put in" }), { ratio: seen.width / seen.height, at: this.handle ?? 50 });
      this.#put(which, frame, el(".cr-caption"));
    }
    const caption = this.preview.querySelector(".cr-caption");
    const says = keep ? "kept: it stays as it is" : seen.swapped ? "" : "no face to replace: it stays as it is";
    fill(caption, el("span", {}, "Frame ", el("span.u-number", {}, clock(at / this.fps))), says && el("span", {}, says));
  }

  #put(which, ...children) {
    if (this.put === which && which !== "error") return;
    const handle = this.preview.querySelector("[role=slider]");
    if (handle) this.handle = Number(handle.getAttribute("aria-valuenow"));
    this.put = which;
    fill(this.preview, ...children);
  }

  #askEstimate = settled(150, async () => {
    const { source, avatar } = this.draft;
    if (!source || !avatar || !this.swaps.length) { this.predicted = null; this.#showEstimate(); return; }
    const mine = (this.asked.estimate = Symbol("estimate"));
    try {
      const predicted = await ask("/desk/estimate", this.#document());
      if (this.asked.estimate === mine) { this.predicted = predicted; this.#showEstimate(); }
    } catch (error) {
      if (this.asked.estimate === mine) fill(this.estimate, fault(error));
    }
  });

  #showEstimate() {
    const found = this.predicted;
    if (!found) {
      fill(this.estimate, el("p.cr-sum.u-muted", {}, "Time and price stand here"), el("p.u-muted.u-small", {}, "by segment and in all, before anything runs"));
      return;
    }
    if (found.seconds === null) {
      fill(this.estimate, el("p.cr-sum", {}, "Nobody has timed this engine here yet"), el("p.u-muted.u-small", {}, summary(this.draft.segments, this.fps)));
      return;
    }
    const price = found.usd === null ? null : money(found.usd);
    const each = found.segments.map((s) => el("span", {}, `segment ${s.index + 1} `,
      el("span.u-number", {}, `${duration(s.seconds)}${s.usd === null || s.usd === undefined ? "" : `, ${money(s.usd)}`}`)));
    fill(this.estimate,
      el("p.cr-sum", {}, "About ", el("span.u-number", {}, duration(found.seconds)), " on this machine", price ? ", " : "", price && el("span.u-number", {}, price)),
      el("p.u-muted.u-small.cr-each", {}, each, found.untouched_s > 0.05 && el("span", {}, el("span.u-number", {}, duration(found.untouched_s)), " untouched"),
        found.usd === null && el("span", {}, "no price is set for this machine")),
      found.warnings.map((w) => el("p.u-muted.u-small", {}, `${capital(w)}.`)));
  }

  #showButton() {
    const count = this.swaps.length;
    this.button.textContent = this.draft.segments.length === 1 && count ? "Swap the whole video" : count ? `Swap ${plural(count, "segment")}` : "Swap";
    const missing = this.#missing();
    this.button.setAttribute("aria-disabled", String(Boolean(missing)));
    if (!missing) fill(this.said);
  }

  #missing() {
    const { source, avatar, engine } = this.draft;
    if (!source) return "Bring a video first: drop one into the box Source, or try the sample.";
    if (!avatar) return "Bring a photo of the face first.";
    if (!this.swaps.length) return "Nothing is to be swapped: press a segment of the timeline.";
    const chosen = this.catalogue?.find((e) => e.name === engine);
    if (chosen && !chosen.availability.ready) return `${chosen.availability.reason}.`;
    if (!this.agreed.checked) return "Tick the box: the face may be used, and the person agreed.";
    return "";
  }

  async #submit() {
    const missing = this.#missing();
    if (missing) {
      fill(this.said, el(".u-fault", { role: "alert" }, missing));
      if (missing.startsWith("Tick")) this.agreed.focus();
      return;
    }
    this.button.setAttribute("aria-disabled", "true");
    this.button.classList.add("u-busy");
    try {
      const { job_id } = await ask("/desk/submit", { ...this.#document(), watermark: this.draft.watermark, agreed: true });
      location.href = `/jobs?id=${job_id}`;
    } catch (error) {
      fill(this.said, fault(error));
      this.button.classList.remove("u-busy");
      this.button.setAttribute("aria-disabled", "false");
    }
  }

  // ---- engines

  async #loadEngines() {
    try {
      this.catalogue = await ask("/desk/engines");
    } catch (error) {
      fill(this.engines, fault(error));
      return;
    }
    fill(this.engines, this.catalogue.map((engine) => {
      const { ready, to_fetch_mb: fetches } = engine.availability;
      const state = !ready ? "not on this machine" : fetches ? `here, after ${Math.ceil(fetches)} MB are fetched` : "here, now";
      return el(`label.cr-engine-choice${ready ? "" : ".away"}`, {},
        el("input", { type: "radio", name: "engine", value: engine.name, checked: engine.name === this.draft.engine, onchange: () => this.#chooseEngine(engine) }),
        el("span", {}, el("b", {}, engine.name), ` · ${state} · replaces the ${engine.replaces}`,
          engine.commercial_use === "no" ? " · non-commercial" : ""));
    }));
    this.#chooseEngine(this.catalogue.find((e) => e.name === this.draft.engine) ?? this.catalogue[0], false);
  }

  #chooseEngine(engine, tell = true) {
    if (!engine) return;
    this.draft.engine = engine.name;
    const { code, weights, binaries } = engine.licences;
    const { ready, reason, hint } = engine.availability;
    fill(this.engineSays, `${capital(engine.summary)} Licences: code ${code}, weights ${weights}, binaries ${binaries}.`,
      ready ? null : el("span.cr-away", {}, ` ${capital(reason)}. `, hint && el("code", {}, hint)));
    if (!tell) return;
    this.shown = null;
    this.#changed();
    this.#askFrame();
  }

  // ---- the draft outlives a reload

  #keep() {
    try {
      localStorage.setItem(KEPT, JSON.stringify(this.draft));
    } catch { /* a browser that keeps nothing */ }
  }

  async #restore() {
    let kept = null;
    try { kept = JSON.parse(localStorage.getItem(KEPT)); } catch { /* nothing was kept */ }
    if (!kept || (!kept.source && !kept.avatar)) return;
    const there = async (input) => input && (await ask(`/desk/card/${input.id}`).catch(() => null));
    const [source, avatar] = await Promise.all([there(kept.source), there(kept.avatar)]);
    if (this.draft.source || this.draft.avatar) return; // somebody was faster
    this.draft.engine = kept.engine ?? "mesh";
    this.draft.eyewear = this.glasses.value = kept.eyewear ?? "keep";
    this.draft.watermark = this.mark.value = kept.watermark ?? "";
    if (avatar) this.#haveAvatar(avatar, false);
    if (source) this.#haveSource(source, kept.segments?.length ? kept : null);
    else if (avatar) this.#changed();
  }
}

/** The middle of the first swapped segment: what one wants to see first. */
function middle(segments) {
  const first = segments.find((s) => s.action === "swap") ?? segments[0];
  return Math.floor((first.from + first.to) / 2);
}

const ordinal = (n) => ["First", "Second", "Third", "Fourth", "Fifth"][n] ?? `Number ${n + 1}`;

/** The footage, playing on a press; `otherwise` is called where the browser cannot play it. */
function video(input, otherwise) {
  const player = el("video", { src: `${input.url}#t=0.01`, muted: true, playsInline: true, loop: true, preload: "metadata", "aria-label": `${input.name}: press to play` });
  player.addEventListener("click", () => (player.paused ? player.play() : player.pause()));
  player.addEventListener("error", otherwise);
  return player;
}

export function mount(element) {
  new Create(element);
}

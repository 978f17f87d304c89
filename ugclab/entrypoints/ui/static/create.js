// Create: bring footage and a face, choose the moments, see one frame of it, know time and price, submit.

import { choose, engineChoice, engineSays, moreChoices, peopleChoice } from "./choices.js";
import { Drop } from "./drop.js";
import { ask, capital, duration, el, fault, fill, plural, settled } from "./lib.js";
import { Looks } from "./looks.js";
import { Preview } from "./preview.js";
import { quote } from "./quote.js";
import { Timeline, readPlan, writePlan } from "./timeline.js";

const KEPT = "ugclab-draft"; // the draft outlives a reload of the page

class Create {
  constructor(root) {
    this.draft = { source: null, avatar: null, segments: [], engine: "mesh", face: "largest", eyewear: "keep", replace: "head", watermark: "", at: 0 };
    this.looks = new Looks();
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
    this.preview = new Preview();
    this.timeline = new Timeline({ plan: (segments) => this.#havePlan(segments), seek: (frame) => this.#seek(frame) });
    this.tools = el(".u-row.cr-tools");
    this.people = el(".cr-people");
    this.engines = el(".cr-engines", { role: "radiogroup", "aria-label": "Engine" });
    this.engineSays = el("p.u-muted.u-small.cr-engine-says");
    this.more = moreChoices((given) => { Object.assign(this.draft, given); this.#changed(); this.#askFrame(); });
    this.estimate = el(".cr-estimate", { "aria-live": "polite" });
    this.notes = el(".u-stack.cr-notes", { "aria-live": "polite" });
    this.agreed = el("input", { type: "checkbox", id: "agreed", onchange: () => this.#showButton() });
    this.button = el("button.u-button.u-primary.cr-go", { type: "button", id: "submit", onclick: () => this.#submit() });
    this.said = el(".cr-said");
    fill(root, el("main.cr", {}, this.#top(), this.#line(),
      el("section.cr-engine", { "aria-label": "Engine" }, el("h2", {}, "Engine"), this.engines, this.engineSays, this.more.element),
      el("section.cr-end", { "aria-label": "Submit" },
        el(".u-stack", {}, this.estimate, this.notes),
        el(".u-stack", {}, el("label.cr-consent", {}, this.agreed, "I may use this face, and the person agreed"), this.button, this.said))));
    this.timeline.show({ frames: 0, rate: [25, 1], segments: [], at: 0 });
    this.#drawTools();
    this.#showPreview();
    this.#showEstimate(null);
    this.#showButton();
  }

  #top() {
    return el(".cr-top", {},
      el(".u-stack.cr-left", {},
        el("h1", {}, "Put a face into the moments that matter."),
        el(".u-row", {}, this.sample, el("span.u-muted.u-small", {}, "or bring your own")),
        el(".cr-inputs", {}, this.source.element, this.avatar.element)),
      this.preview.element);
  }

  #line() {
    return el("section.cr-line", { "aria-label": "Timeline" },
      el(".u-row.u-spread", {},
        el(".u-row", {}, el("h2", {}, "Timeline"),
          el("span.u-muted.u-small", {}, el("i.u-key.swap"), "swapped"), el("span.u-muted.u-small", {}, el("i.u-key.keep"), "untouched")),
        this.tools),
      this.timeline.element, this.people);
  }

  #drawTools() {
    const tool = (text, says, work) => el("button.u-button.u-plain", { type: "button", title: says, disabled: !this.draft.source, onclick: work }, text);
    fill(this.tools,
      tool("Split here", "Cut the segment at the playhead in two", () => this.timeline.split()),
      tool("Where faces are", "Swap wherever a face is found", (event) => this.#planOfFaces(event.currentTarget)),
      tool("Swap all", "One segment, swapped", () => this.timeline.setAll("swap")),
      tool("Keep all", "One segment, kept", () => this.timeline.setAll("keep")));
  }

  // ---- what was brought and chosen

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
    draft.face = kept?.face ?? "largest";
    this.shown = null;
    this.timeline.setStrip(null);
    fill(this.people);
    fill(this.notes);
    if (input) {
      draft.segments = kept?.segments ?? readPlan(input.plan, input.rate, input.frames);
      draft.at = kept?.at ?? middle(draft.segments);
      this.picture = el(".cr-source", {}, video(input, () => this.#showPoster()));
      this.source.show(input, this.picture, `${duration(input.duration)}, ${input.width}×${input.height}`);
      this.#askStrip();
    } else {
      draft.segments = [];
    }
    this.timeline.show({ frames: input?.frames ?? 0, rate: input?.rate ?? [25, 1], segments: draft.segments, at: draft.at });
    this.#drawTools();
    this.#changed();
    this.#showPreview();
    this.#askFrame();
  }

  #haveAvatar(input, tell = true) {
    this.draft.avatar = input;
    this.shown = null;
    if (input) this.avatar.show(input, el("img", { src: input.url, alt: "The face to put in" }));
    if (!tell) return;
    this.#changed();
    this.#showPreview();
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

  get #fps() { return this.draft.source.rate[0] / this.draft.source.rate[1]; }
  get #swaps() { return this.draft.segments.filter((s) => s.action === "swap"); }

  #document() {
    const { source, avatar, engine, face, eyewear, segments } = this.draft;
    const replace = this.#engine?.replaceable.length ? this.draft.replace : "head";
    return { source: source.id, avatar: avatar?.id, plan: writePlan(segments, source.rate), engine, face, eyewear, replace };
  }

  // ---- what is asked of the workbench

  async #askStrip() {
    const strip = await this.looks.see("strip", { source: this.draft.source.id }).catch(() => null); // the strip stays plain
    if (strip) this.timeline.setStrip(strip);
  }

  #askFrame = settled(90, async () => {
    const { source, avatar, at, segments } = this.draft;
    if (!source || !avatar || !segments.length || this.#makesClips) return;
    const [num, den] = source.rate;
    this.preview.busy(true);
    try {
      const seen = await this.looks.see("frame", { ...this.#document(), plan: "faces", at: `${(2 * at + 1) * den}/${2 * num}` });
      if (!seen) return;
      this.shown = seen;
      this.#showPreview();
      if (this.unplayable === source.id) this.#showPoster();
    } catch (error) {
      this.preview.fault(error);
    }
    this.preview.busy(false);
  });

  #askFaces = settled(500, async () => {
    if (!this.draft.source || !this.#swaps.length) { fill(this.notes); return; }
    try {
      const seen = await this.looks.see("faces", this.#document());
      if (!seen) return;
      fill(this.notes, seen.refused && fault(seen.refused), seen.warnings.map((w) => el(".u-note", {}, sentence(w))));
      choose(this.people, peopleChoice(seen.people, this.draft.face, (face) => { this.draft.face = face; this.#changed(); this.#askFrame(); }));
    } catch (error) {
      fill(this.notes, fault(error));
    }
  });

  async #planOfFaces(button) {
    button.disabled = true;
    button.classList.add("u-busy");
    try {
      const seen = await this.looks.see("faces", { ...this.#document(), plan: "faces" });
      if (seen?.plan) {
        this.timeline.setSegments(readPlan(seen.plan, this.draft.source.rate, this.draft.source.frames));
        this.#havePlan(this.timeline.segments);
      } else if (seen) {
        fill(this.notes, seen.refused ? fault(seen.refused) : el(".u-note", {}, "No face was found in this video."));
      }
    } catch (error) {
      fill(this.notes, fault(error));
    }
    button.disabled = false;
    button.classList.remove("u-busy");
  }

  #askEstimate = settled(150, async () => {
    if (!this.draft.source || !this.draft.avatar || !this.#swaps.length) { this.#showEstimate(null); return; }
    const mine = (this.asked = Symbol("estimate"));
    try {
      const found = await ask("/desk/estimate", this.#document());
      if (this.asked === mine) this.#showEstimate(found);
    } catch (error) {
      if (this.asked === mine) fill(this.estimate, fault(error));
    }
  });

  async #loadEngines() {
    try {
      this.catalogue = await ask("/desk/engines");
      choose(this.engines, engineChoice(this.catalogue, this.draft.engine, (engine) => this.#chooseEngine(engine)));
      this.more.offer(this.#engine);
      fill(this.engineSays, engineSays(this.#engine));
    } catch (error) {
      fill(this.engines, fault(error));
    }
  }

  /** Such an engine shows nothing before its minutes on a GPU are over: no preview of one frame. */
  get #makesClips() { return Boolean(this.#engine && this.#engine.replaces !== "face"); }
  get #engine() { return this.catalogue?.find((e) => e.name === this.draft.engine) ?? this.catalogue?.[0]; }

  #chooseEngine(engine) {
    this.draft.engine = engine.name;
    this.shown = null;
    this.more.offer(engine);
    fill(this.engineSays, engineSays(engine));
    this.#changed();
    this.#showPreview();
    this.#askFrame();
  }

  async #submit() {
    const missing = this.#missing();
    if (missing) {
      fill(this.said, el(".u-fault", { role: "alert" }, missing));
      if (missing.startsWith("Tick")) this.agreed.focus();
      return;
    }
    this.button.disabled = true;
    this.button.classList.add("u-busy");
    try {
      const { job_id } = await ask("/desk/submit", { ...this.#document(), watermark: this.draft.watermark, agreed: true });
      location.href = `/jobs?id=${job_id}`;
    } catch (error) {
      fill(this.said, fault(error));
      this.button.disabled = false;
    }
    this.button.classList.remove("u-busy");
  }

  // ---- what is shown

  #showPreview() {
    const { source, avatar, at, segments } = this.draft;
    if (source && avatar) {
      const segment = segments.find((s) => at >= s.from && at < s.to);
      if (this.#makesClips) this.preview.says("This engine makes whole clips: what it does shows when a segment is done. Try a short one first.", "No preview");
      else if (this.shown) this.preview.show(this.shown, { kept: segment?.action === "keep", at: at / this.#fps });
      else this.preview.says("Putting the face into one frame");
    } else {
      const brought = source ? "Bring a face, and one frame is shown here before and after."
        : avatar ? "Bring a video, and one frame of it is shown here before and after."
          : "One frame, before and after, is shown here as soon as there are a video and a face. Nothing runs before you say so.";
      this.preview.says(brought, "Preview");
    }
  }

  /** In the place of footage that the browser cannot play: one frame of it, as soon as one was seen. */
  #showPoster() {
    this.unplayable = this.draft.source?.id;
    fill(this.picture, this.shown && el("img", { src: this.shown.before, alt: "A frame of the source" }),
      el("span.drop-foot", {}, "Your browser cannot play this format; the workbench can."));
  }

  #showEstimate(found) {
    fill(this.estimate, quote(found, this.draft.segments, this.draft.source ? this.#fps : 1).flat());
  }

  #showButton() {
    const count = this.#swaps.length;
    this.button.textContent = count && this.draft.segments.length === 1 ? "Swap the whole video" : count ? `Swap ${plural(count, "segment")}` : "Swap";
    const missing = this.#missing();
    this.button.toggleAttribute("data-missing", Boolean(missing));
    this.button.title = missing;
    if (!missing) fill(this.said);
  }

  #missing() {
    const { source, avatar } = this.draft;
    if (!source) return "Bring a video first: drop one into the box Source, or try the sample.";
    if (!avatar) return "Bring a photo of the face first.";
    if (!this.#swaps.length) return "Nothing is to be swapped: press a segment of the timeline.";
    if (this.#engine && !this.#engine.availability.ready) return sentence(this.#engine.availability.reason);
    if (!this.agreed.checked) return "Tick the box: the face may be used, and the person agreed.";
    return "";
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
    if (!kept?.source && !kept?.avatar) return;
    const there = async (input) => input && ask(`/desk/card/${input.id}`).catch(() => null);
    const [source, avatar] = await Promise.all([there(kept.source), there(kept.avatar)]);
    if (this.draft.source || this.draft.avatar) return; // somebody was faster
    const { engine = "mesh", eyewear = "keep", replace = "head", watermark = "" } = kept;
    Object.assign(this.draft, { engine, eyewear, replace, watermark });
    this.more.set(this.draft);
    if (avatar) this.#haveAvatar(avatar, !source);
    if (source) this.#haveSource(source, kept.segments?.length ? kept : null);
  }
}

/** The middle of the first swapped segment: what one wants to see first. */
function middle(segments) {
  const first = segments.find((s) => s.action === "swap") ?? segments[0];
  return Math.floor((first.from + first.to) / 2);
}

const sentence = (text) => capital(text) + (/[.!?]$/.test(text) ? "" : ".");

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

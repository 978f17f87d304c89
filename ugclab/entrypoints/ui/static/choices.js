// What is chosen beside the footage and the face: whose face, which engine, and the rest, folded away.

import { capital, el, fill, plural } from "./lib.js";

/** One radio a person, by picture; nothing where there is only one. */
export function peopleChoice(people, chosen, onChoose) {
  if (people.length < 2) return [];
  const choice = (value, label, picture) => el("label.cr-person", {},
    el("input", { type: "radio", name: "face", value, checked: chosen === value, onchange: () => onChoose(value) }),
    picture && el("img", { src: picture, alt: "" }), el("span", {}, label));
  return el("fieldset", {},
    el("legend", {}, `${plural(people.length, "person", "people")} in this video: whose face is replaced?`),
    choice("largest", "The largest"),
    people.map((p) => choice(`index:${p.index}`, `${ordinal(p.index)} from the left, ${Math.round(p.share * 100)} % of the time`, p.picture)),
    choice("all", "Everybody"));
}

const ordinal = (n) => ["First", "Second", "Third", "Fourth", "Fifth"][n] ?? `Number ${n + 1}`;

/** One radio an engine, whether it can run here or not. */
export function engineChoice(catalogue, chosen, onChoose) {
  return catalogue.map((engine) => {
    const { ready, to_fetch_mb: fetches } = engine.availability;
    const state = !ready ? "not on this machine" : fetches ? `here, after ${Math.ceil(fetches)} MB are fetched` : "here, now";
    return el(`label.cr-engine-choice${ready ? "" : ".away"}`, {},
      el("input", { type: "radio", name: "engine", value: engine.name, checked: engine.name === chosen, onchange: () => onChoose(engine) }),
      el("span", {}, el("b", {}, engine.name), ` · ${state} · replaces the ${engine.replaceable.length ? engine.replaceable.join(" or ") : engine.replaces}`, engine.commercial_use === "no" && " · non-commercial"));
  });
}

/** What an engine is, under which licences, and what to type where it cannot run. */
export function engineSays(engine) {
  const { code, weights, binaries } = engine.licences;
  const { ready, reason, hint } = engine.availability;
  return [
    `${capital(engine.summary)} Licences: code ${code}, weights ${weights}, binaries ${binaries}.`,
    !ready && el("span.cr-away", {}, ` ${capital(reason)}. `, hint && el("code", {}, hint)),
  ];
}

/** Glasses, watermark, and head or person where an engine leaves the choice; `set` shows, `onChange` tells what is chosen. */
export function moreChoices(onChange) {
  const glasses = el("select.u-select", { id: "glasses" },
    el("option", { value: "keep" }, "Keep them on"), el("option", { value: "cover" }, "Cover them with the face"));
  const replace = el("select.u-select", { id: "replace" },
    el("option", { value: "head" }, "The head; all else stays the footage's own"), el("option", { value: "person" }, "The whole person"));
  const replaced = el("label.u-hidden", {}, "What is replaced", replace);
  const mark = el("input.u-input", { id: "watermark", maxLength: 80, placeholder: "none" });
  const tell = () => onChange({ eyewear: glasses.value, replace: replace.value, watermark: mark.value.trim() });
  for (const field of [glasses, replace, mark]) field.addEventListener("change", tell);
  const element = el("details.cr-more", {}, el("summary", {}, "More choices"),
    el(".cr-fields", {}, replaced, el("label", {}, "Glasses in the footage", glasses), el("label", {}, "Watermark on swapped frames", mark),
      el("p.u-muted.u-small", {}, "Every result says in its metadata that it was altered, with or without a watermark.")));
  return {
    element,
    set({ eyewear = "keep", replace: what = "head", watermark = "" }) { glasses.value = eyewear; replace.value = what; mark.value = watermark; },
    offer(engine) { replaced.classList.toggle("u-hidden", engine.replaceable.length < 2); },
  };
}

/** Put choices into a place, keeping the keyboard where it was. */
export function choose(place, choices) {
  const { name, value } = place.contains(document.activeElement) ? document.activeElement : {};
  fill(place, choices);
  if (name) place.querySelector(`[name="${name}"][value="${CSS.escape(value)}"]`)?.focus();
}

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
      el("span", {}, el("b", {}, engine.name), ` · ${state} · replaces the ${engine.replaces}`, engine.commercial_use === "no" && " · non-commercial"));
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

/** Glasses and watermark. `set(given)` shows what was kept, `onChange(given)` tells what was chosen. */
export function moreChoices(onChange) {
  const glasses = el("select.u-select", { id: "glasses" },
    el("option", { value: "keep" }, "Keep them on"), el("option", { value: "cover" }, "Cover them with the face"));
  const mark = el("input.u-input", { id: "watermark", maxLength: 80, placeholder: "none" });
  const tell = () => onChange({ eyewear: glasses.value, watermark: mark.value.trim() });
  glasses.addEventListener("change", tell);
  mark.addEventListener("change", tell);
  const element = el("details.cr-more", {}, el("summary", {}, "More choices"),
    el(".cr-fields", {}, el("label", {}, "Glasses in the footage", glasses), el("label", {}, "Watermark on swapped frames", mark),
      el("p.u-muted.u-small", {}, "Every result says in its metadata that it was altered, with or without a watermark.")));
  return { element, set({ eyewear = "keep", watermark = "" }) { glasses.value = eyewear; mark.value = watermark; } };
}

/** Put choices into a place, keeping the keyboard where it was. */
export function choose(place, choices) {
  const { name, value } = place.contains(document.activeElement) ? document.activeElement : {};
  fill(place, choices);
  if (name) place.querySelector(`[name="${name}"][value="${CSS.escape(value)}"]`)?.focus();
}

// Wan2.2 commands: paste one and see it checked trap by trap, or build one; nothing is run.
import { ask, capital, el, fault, fill, plural, settled } from "./lib.js";
import { copyable } from "./copying.js";

const EXAMPLE = `python ./wan/modules/animate/preprocess/preprocess_data.py \\
    --ckpt_path ./Wan2.2-Animate-14B/process_checkpoint \\
    --video_path ./product_demo.mp4 --refer_path ./presenter.png \\
    --save_path ./work --resolution_area 1280 720 --fps 16 --replace_flag True

python generate.py --ckpt_dir ./Wan2.2-Animate-14B --src_root_path ./work \\
    --replace_flag --size 1280x720 --sample_steps 4 --save_file result.webm`;

const SEEN = {
  start: "Seen at once: the script refuses it",
  load: "Seen only after the models are loaded, on paid GPU time",
  preprocess: "Seen only while the footage is preprocessed",
  result: "Seen only in the result, if at all",
};
const RANK = ["error", "warning", "note"];
const ORDER = ["result", "load", "preprocess", "start"];

export async function mount(element) {
  const out = el(".w-out", { "aria-live": "polite", "aria-busy": "true" });
  const panel = el(".w-panel");
  const page = el(".w-page", {}, panel, out);
  fill(element, el("header.w-head", {}, el("h1", {}, "Wan2.2 commands"),
    el("p.u-muted", {}, "A wrong flag shows after minutes of paid GPU time, or never. Here it shows before. Nothing is run, and no file is looked at.")), page);
  let given;
  try { given = await ask("/desk/wan"); } catch (error) { fill(out, fault(error)); return; }
  const kept = { text: "", gpu: "", form: { ...given.form } };
  const show = (which) => {
    fill(panel, tabs(which, show), which === "check" ? checking(given, kept, out) : building(given, kept, out));
    out.removeAttribute("aria-busy");
  };
  show("check");
}

function tabs(which, show) {
  const tab = (name, text) => el("button.w-tab", {
    role: "tab", "aria-selected": String(which === name), tabIndex: which === name ? 0 : -1,
    onclick: () => { show(name); document.querySelector(`.w-tab[aria-selected=true]`)?.focus(); },
    onkeydown: (event) => { if (["ArrowLeft", "ArrowRight"].includes(event.key)) event.currentTarget.parentNode.querySelector("[aria-selected=false]").click(); },
  }, text);
  return el(".w-tabs", { role: "tablist", "aria-label": "What to do" }, tab("check", "Check a command"), tab("build", "Build one"));
}

/* Checking */

function checking(given, kept, out) {
  const box = el("textarea.w-text", {
    id: "w-text", spellcheck: false, autocapitalize: "off", maxLength: given.longest, value: kept.text,
    placeholder: "Paste a command, a script, a notebook, a Dockerfile or a README", rows: 14, wrap: "off",
  });
  const run = asked(out, (signal) => ask("/desk/wan/check", { text: box.value, gpu: kept.gpu }, { signal }), (answer) => checked(answer, given));
  const later = settled(450, () => (box.value.trim() ? run() : fill(out, empty(fillIn))));
  const fillIn = () => { box.value = kept.text = EXAMPLE; run(); };
  box.addEventListener("input", () => { kept.text = box.value; later(); });
  if (kept.text) run(); else fill(out, empty(fillIn));
  return el(".u-stack", { role: "tabpanel" },
    el("label.u-small.u-muted", { htmlFor: "w-text" }, "The command, for preprocess_data.py, generate.py, or both"),
    box,
    el(".u-row", {},
      cards(given, kept.gpu, (name) => { kept.gpu = name; if (box.value.trim()) run(); }),
      el("button.u-button.u-solid", { onclick: () => box.value.trim() ? run() : box.focus() }, "Check")));
}

function empty(fillIn) {
  return el(".u-empty", {},
    el("h2", {}, "What you will see here"),
    el("p", {}, "Every trap in the command, the worst first: the flag, what would happen, when you would have noticed, and what to type instead. Then the corrected command, ready to copy."),
    el("button.u-button", { onclick: fillIn }, "Try an example with mistakes"));
}

function cards(given, chosen, pick) {
  return el("label.w-field", {}, el("span", {}, "GPU it is meant for"),
    el("select", { onchange: (event) => pick(event.target.value) },
      el("option", { value: "", selected: !chosen }, "not said"),
      given.gpus.map((gpu) => el("option", { value: gpu.name, selected: gpu.name === chosen }, `${gpu.name}, ${Math.round(gpu.memory_gb)} GB`))));
}

/** Ask, one answer at a time: a newer question ends the older. */
function asked(out, question, draw) {
  let current = null;
  return async () => {
    current?.abort();
    const mine = current = new AbortController();
    out.classList.add("u-busy");
    try {
      const answer = await question(mine.signal);
      if (mine === current) fill(out, ...draw(answer));
    } catch (error) {
      if (error.name === "AbortError") return;
      fill(out, fault(error));
    }
    if (mine === current) out.classList.remove("u-busy");
  };
}

function checked(answer, given) {
  const { counts } = answer;
  const several = answer.commands.length > 1;
  return [
    verdict(answer),
    counts.error + counts.warning ? corrected(answer) : null,
    ...RANK.flatMap((rank) => group(rank, answer.problems.filter((problem) => problem.severity === rank), several)),
    el("p.u-small.u-muted", {}, `Checked against Wan2.2 at commit `, el("code", {}, given.commit), "."),
  ];
}

function verdict({ counts, problems, commands }) {
  const worst = problems.filter((p) => p.severity === "error").map((p) => p.stage).sort((a, b) => ORDER.indexOf(a) - ORDER.indexOf(b))[0];
  const what = counts.error ? plural(counts.error, "error") : counts.warning ? plural(counts.warning, "warning") : "Nothing is wrong";
  const rest = [counts.error && counts.warning ? plural(counts.warning, "warning") : "", counts.note ? plural(counts.note, "note") : ""].filter(Boolean).join(", ");
  return el(`.w-verdict.${counts.error ? "error" : counts.warning ? "warning" : "fine"}`, { role: "status" },
    el("h2", {}, what, rest ? el("span.u-muted", {}, ` and ${rest}`) : ""),
    el("p.u-muted", {}, `${plural(commands.length, "command")} read. `, worst ? `The worst of it would be ${SEEN[worst].charAt(0).toLowerCase()}${SEEN[worst].slice(1)}.` : counts.warning ? "It runs, and may not do what is meant." : "It does what its flags say."));
}

function group(rank, problems, several) {
  if (!problems.length) return [];
  const list = el("ul.w-list", {}, problems.map((problem) => finding(problem, several)));
  if (rank !== "note") return [el("section.u-stack", {}, el("h3", {}, { error: "Errors", warning: "Warnings" }[rank]), list)];
  return [el("details.w-notes", {}, el("summary", {}, el("b", {}, "Worth knowing"), el("span.u-muted", {}, ` ${plural(problems.length, "note")}: right commands have some`)), list)];
}

function finding(problem, several) {
  const which = several && problem.command !== null ? `command ${problem.command + 1}` : "";
  return el(`li.w-finding.${problem.severity}`, {},
    el(".w-flag", {}, problem.flag ? el("code", {}, problem.flag) : el("span.u-muted", {}, "the whole"),
      el("span.u-small.u-muted", {}, [which, problem.where, problem.id].filter(Boolean).join(" · "))),
    el(".u-stack.w-words", {},
      el("p", {}, capital(problem.what) + "."),
      problem.fix ? el("p", {}, el("b", {}, problem.corrected ? "Corrected: " : "To do: "), problem.fix) : null,
      problem.severity !== "note" ? el("p.u-small.u-muted", {}, SEEN[problem.stage] + ".") : null));
}

function corrected(answer) {
  const { shell, changed, left } = answer.corrected;
  if (!changed) return el("p.u-note", {}, "What is wrong here takes you: no correction is certain enough to be made.");
  const rest = left.length
    ? el(".u-note", {}, el("b", {}, `Left to you: ${plural(left.length, "finding")}`), el("ul.w-left", {}, left.map((p) => el("li", {}, p.flag ? el("code", {}, p.flag) : "", ` ${p.what}: ${p.fix}`))))
    : el("p.u-note", {}, "Checked again: nothing is left to correct.");
  return el("section.u-stack", {}, el("h3", {}, "Corrected"), copyable(shell, "Ready to run from a checkout of Wan2.2"), rest);
}

/* Building */

function building(given, kept, out) {
  const form = kept.form;
  const run = asked(out, (signal) => ask("/desk/wan/build", form, { signal }), built);
  const later = settled(200, run);
  const set = (name, value) => { form[name] = value; later(); };
  run();
  const select = (name, label, options, read = String) => el("label.w-field", {}, el("span", {}, label),
    el("select", { onchange: (event) => set(name, read(event.target.value)) },
      options.map(([value, text]) => el("option", { value, selected: String(form[name]) === String(value) }, text))));
  const number = (name, label, unit, least, most) => el("label.w-field", {}, el("span", {}, label),
    el("span.w-unit", {}, el("input", { type: "number", min: least, max: most, step: 1, value: form[name] ?? "", inputMode: "numeric",
      oninput: (event) => { const value = event.target.valueAsNumber; if (Number.isFinite(value)) set(name, Math.round(value)); } }), el("span.u-muted", {}, unit)));
  const path = (name, label) => el("label.w-field.wide", {}, el("span", {}, label),
    el("input", { type: "text", value: form[name], maxLength: 300, spellcheck: false, oninput: (event) => set(name, event.target.value) }));
  const tick = (name, label) => el("label.w-tick", {}, el("input", { type: "checkbox", checked: form[name], onchange: (event) => set(name, event.target.checked) }), label);
  return el("form.w-form", { role: "tabpanel", onsubmit: (event) => event.preventDefault() },
    select("mode", "Goal", [["replace", "Replace the person in the video"], ["animate", "Animate the picture by the video"]]),
    select("area", "Size", Object.entries(given.areas).map(([name, [w, h]]) => [name, `${name}, ${w} × ${h} px`])),
    select("gpu", "GPU", [["", "not said"], ...given.gpus.map((gpu) => [gpu.name, `${gpu.name}, ${Math.round(gpu.memory_gb)} GB`])]),
    select("gpus", "GPUs that share the work", given.counts.map((n) => [n, plural(n, "GPU")]), Number),
    number("fps", "Frame rate", "frames/s", 1, 120),
    number("steps", "Sampling", "steps", 1, 200),
    number("frames", "Clip length, 4n+1", "frames", 5, 400),
    number("seed", "Seed, none for a random one", "", 0, 2 ** 31 - 1),
    el(".w-ticks", {}, tick("relight", "Relight the person to fit the scene (replace)"), tick("retarget", "Fit the pose to the picture's proportions (animate)")),
    el("details.w-paths", {}, el("summary", {}, "Files and folders"), el(".w-form", {},
      path("video", "Source video"), path("avatar", "Picture of the person"), path("checkpoint", "Checkpoint"), path("work", "Folder between the two commands"), path("output", "Result"))));
}

function built(answer) {
  const { counts, problems } = answer;
  const bad = problems.filter((problem) => problem.severity !== "note");
  const good = !bad.length;
  return [
    el(`.w-verdict.${counts.error ? "error" : counts.warning ? "warning" : "fine"}`, { role: "status" },
      el("h2", {}, good ? "Checked: nothing is wrong" : [counts.error ? plural(counts.error, "error") : "", counts.warning ? plural(counts.warning, "warning") : ""].filter(Boolean).join(", ")),
      el("p.u-muted", {}, good ? "Run both, one after the other, from a checkout of Wan2.2." : "What was chosen leads into this:")),
    ...(good ? [] : [el("ul.w-list", {}, bad.map((problem) => finding({ ...problem, corrected: false }, true)))]),
    copyable(answer.shell, "The two commands"),
    answer.reasons.length ? el("section.u-stack", {}, el("h3", {}, "Why so"), el("ul.w-left", {}, answer.reasons.map((reason) => el("li", {}, capital(reason))))) : null,
    ...group("note", problems.filter((problem) => problem.severity === "note"), true),
  ];
}

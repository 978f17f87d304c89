// What a swap takes and costs: predictions for every GPU and measured runs, beside the targets. A table beside each plot.
import { ask, duration, el, fault, fill, money, plural } from "./lib.js";
import { copyable } from "./copying.js";

const WAYS = {
  cheapest: ["Cheapest that fits", "The cheapest setting of each GPU that meets both targets, or the cheapest it has."],
  full: ["Nothing given up", "The whole picture at 720p, every frame, 20 steps, 16 bits, the model resident."],
  official: ["Official command", "As the official command line runs it: nothing given up, and the model read anew for every segment."],
};

export async function mount(element) {
  const body = el(".b-body", { "aria-busy": "true" }, el("p.u-muted.u-busy.b-wait", {}, "Predicting every GPU and setting there is a price for"));
  fill(element, el("header.b-head", {}, el("h1", {}, "Time and cost"),
    el("p.u-muted", {}, "What was measured and what is predicted, beside what a video may take.")), body);
  let given;
  try { given = await ask("/desk/figures"); } catch (error) { fill(body, fault(error)); return; }
  fill(body, targets(given), predicted(given), ...measured(given), sources(given));
  body.removeAttribute("aria-busy");
}

/* The answer first */

function targets({ targets: goal, predicted: found }) {
  const best = found.best ?? found.nearest;
  const settings = `${found.met} of ${found.of.toLocaleString("en")} settings`;
  return el("section.b-answer", {},
    fact("A video may take", `${goal.soonest_s / 60} to ${goal.seconds / 60} min`, "30 s of footage, two segments of 5 s swapped"),
    fact("and cost", money(goal.usd).replace(/0+$/, ""), "the whole video"),
    fact("Meet both, by prediction", settings, found.met ? "of GPU, size, frame rate, steps and bits" : "none does"),
    best ? fact(found.best ? "The cheapest of them" : "The nearest", `${money(best.usd)}, ${duration(best.seconds)}`, `${best.gpu} ${best.provision}: ${best.how}`) : null);
}

const fact = (name, value, note) => el(".b-fact", {}, el("span.u-small.u-muted", {}, name), el("b.u-number", {}, value), el("span.u-small.u-muted", {}, note));

/* Predictions */

function predicted(given) {
  const { predicted: found, targets: goal } = given;
  const plot = el(".b-part");
  const state = { way: "cheapest", per: "video" };
  const draw = () => {
    const share = state.per === "video" ? 1 : 1 / found.footage.segments;
    const own = found.others.filter((option) => option.provision === "own");
    const all = [...own, ...found.ways[state.way], ...found.others.filter((option) => !own.includes(option))];
    const ways = new Set(found.ways[state.way].map((option) => option.how));
    const rows = all.map((option) => ({
      name: option.gpu ? `${option.gpu} ${option.provision}` : option.engine, option,
      note: [option.gpu && ways.size === 1 ? "" : option.how, option.rests_on, option.price_stale ? "old price" : ""].filter(Boolean).join(" · "),
      seconds: state.per === "video" ? option.seconds : option.segment_s,
      usd: state.per === "video" ? option.usd : option.segment_usd,
    }));
    const limits = { seconds: goal.seconds * share, usd: goal.usd * share };
    const of = state.per === "video" ? "of a video" : "of a swapped segment";
    fill(plot, el("p.u-muted", {}, WAYS[state.way][1], ways.size === 1 ? ` Of all GPUs that is: ${[...ways][0]}.` : ""), bars(rows, limits, of),
      tabled(rows, limits, of));
  };
  draw();
  const { footage: f } = found;
  return el("section.u-stack.b-section", { "aria-labelledby": "b-predicted" },
    el(".u-row.u-spread", {}, el("h2", { id: "b-predicted" }, "Predicted, by engine and GPU"),
      el(".u-row", {}, choice("Setting", Object.entries(WAYS).map(([name, [text]]) => [name, text]), state.way, (way) => { state.way = way; draw(); }),
        choice("Per", [["video", "video"], ["segment", "segment"]], state.per, (per) => { state.per = per; draw(); }))),
    el("p.u-small.u-muted", {}, `For ${f.seconds} s of ${f.width} × ${f.height} px at ${f.rate} frames/s, of which ${f.swapped_s} s in ${plural(f.segments, "segment")} are swapped. Wan2.2 runs on the GPUs, mesh on this machine's processor. The targets are of a video; a segment's is its share of it.`),
    plot, warnings(found));
}

function choice(label, options, chosen, pick) {
  return el("fieldset.b-choice", {}, el("legend.u-sr", {}, label),
    options.map(([value, text]) => el("label", {}, el("input", { type: "radio", name: `b-${label}`, value, checked: value === chosen, onchange: () => pick(value) }), el("span", {}, text))));
}

/** Two columns of bars, seconds and dollars, each with its target; the scale ends at twice the target, or at the largest. */
function bars(rows, limits, of) {
  const scale = (name) => {
    const most = Math.max(...rows.map((row) => row[name] ?? 0));
    return most > 2 * limits[name] ? 2 * limits[name] : Math.max(most, limits[name]) * 1.08;
  };
  const ends = { seconds: scale("seconds"), usd: scale("usd") };
  const head = (name, text, limit) => axis(`${text} ${of}`, `target ${limit}`, limits[name] / ends[name]);
  return el(".b-bars", { role: "presentation" },
    el(".b-row.b-top", {}, el("span"), head("seconds", "Time", duration(limits.seconds)), head("usd", "Cost", dollars(limits.usd))),
    rows.map((row) => el(".b-row", {},
      el(".b-name", {}, el("b", {}, row.name), el("span.u-small.u-muted", {}, row.note)),
      bar(row.seconds, limits.seconds, ends.seconds, row.seconds === null ? "nobody has said" : duration(row.seconds)),
      bar(row.usd, limits.usd, ends.usd, row.usd === null ? "no price" : dollars(row.usd)))),
    el("p.u-small.u-muted.b-legend", {}, el("span.b-key.in"), "meets the target ", el("span.b-key.over"), "misses it ", el("span.b-key.cut"), "goes on beyond the scale"));
}

/** The head of a column of bars: what it shows, and what the line in it means. */
function axis(text, goal, share) {
  return el(".b-cell.b-axis", {}, el("span.b-scale", {}, el("span.u-small.u-muted", {}, text),
    el(`span.b-goal.u-small.u-number${share > 0.6 ? ".left" : ""}`, { style: { left: `${Math.min(1, share) * 100}%` } }, goal)));
}

function bar(value, limit, end, text) {
  const over = value !== null && value > limit;
  const beyond = value !== null && value > end;
  return el(".b-cell", {},
    el("span.b-track", {},
      value === null ? null : el(`span.b-fill.${over ? "over" : "in"}${beyond ? ".beyond" : ""}`, { style: { width: `${Math.max(0.6, Math.min(1, value / end) * 100)}%` } }),
      el("span.b-line", { style: { left: `${(limit / end) * 100}%` } })),
    el("span.b-value.u-number", {}, text));
}

const dollars = (usd) => usd === 0 ? "$0.00" : usd < 0.01 ? `$${usd.toFixed(4)}` : usd < 1 ? `$${usd.toFixed(3)}` : `$${usd.toFixed(2)}`;

function tabled(rows, limits, of) {
  const verdict = ({ option }) => option.lacks.length ? option.lacks.join("; ") : "meets both";
  return table("The figures as a table", ["Engine and GPU", "Setting", `Time ${of}`, `Cost ${of}`, "Rests on", "Price of", "Against the targets", "Gives up"],
    rows.map((row) => [row.name, row.option.how, numbered(row.seconds === null ? "not known" : duration(row.seconds)),
      numbered(row.usd === null ? "no price" : dollars(row.usd)), row.option.rests_on,
      row.option.price_date ? row.option.price_date + (row.option.price_stale ? ", old" : "") : "", verdict(row),
      [...row.option.gives_up, ...row.option.warnings].join("; ") || "nothing"]));
}

const numbered = (text) => ({ text, number: true });

function table(caption, head, rows) {
  const cell = (tag, value) => el(tag + (value?.number ? ".u-number" : ""), {}, value?.text ?? value);
  return el("details.b-table", {}, el("summary", {}, caption),
    el(".u-scroll", { tabIndex: 0, role: "region", "aria-label": caption }, el("table.u-table", {},
      el("thead", {}, el("tr", {}, head.map((name, i) => el("th" + (rows[0]?.[i]?.number ? ".u-number" : ""), { scope: "col" }, name)))),
      el("tbody", {}, rows.map((row) => el("tr", {}, row.map((value) => cell("td", value))))))));
}

function warnings(found) {
  const said = [];
  if (found.prices?.stale) said.push(`Some prices are older than ${found.prices.fresh_days} days (the oldest was read ${found.prices.from}): look them up before relying on them.`);
  said.push(`Pods are taken to work ${Math.round(found.utilisation * 100)} % of the time they are paid for.`);
  if (found.unpredicted.length) said.push(`Not predicted: ${found.unpredicted.join("; ")}.`);
  return el(".u-stack", {}, said.map((text, i) => el(`p.u-small${i === 0 && found.prices?.stale ? ".u-note" : ".u-muted"}`, {}, text)));
}

/* Measured */

function measured(given) {
  if (!given.runs.length) return [el("section.u-stack.b-section", {}, el("h2", {}, "Measured"), none())];
  const fresh = given.runs.some((run) => run.origin === "fresh");
  return [...given.runs.map((run, i) => measuredRun(run, given.targets, i)), fresh ? null : el("section.u-stack.b-section", {}, el("h2", {}, "Measured here"), none())].filter(Boolean);
}

function none() {
  return el(".u-empty", {}, el("p", {}, "Nothing was measured on this machine yet. A run of a few minutes writes its result where this page finds it:"),
    copyable("ugclab bench run segment-5s ugc-30s --out out/bench", "In the folder the page was started in"));
}

function measuredRun(run, goal, index) {
  const scenarios = [...new Map(run.rows.map((row) => [row.scenario, row.title]))];
  const plot = el(".b-part");
  const draw = (name) => {
    const rows = run.rows.filter((row) => row.scenario === name);
    fill(plot, measuredBars(rows, goal), measuredTable(run, rows));
  };
  const first = scenarios.find(([name]) => name === "ugc-30s")?.[0] ?? scenarios[0]?.[0];
  draw(first);
  const where = `${run.device}${run.gpu ? "" : `, ${run.cores} cores, no GPU`}`;
  return el("section.u-stack.b-section", { "aria-labelledby": `b-run-${index}` },
    el(".u-row.u-spread", {}, el("h2", { id: `b-run-${index}` }, run.origin === "fresh" ? "Measured here" : "Measured, as it comes with this version"),
      el("label.w-field.b-pick", {}, el("span", {}, "Footage"), el("select", { onchange: (event) => draw(event.target.value) }, scenarios.map(([name, title]) => el("option", { value: name, selected: name === first }, title))))),
    el("p.u-small.u-muted", {}, `Engine ${run.engine} ${run.version} on ${where}; ${run.created_at.slice(0, 10)}${run.commit ? `, commit ${run.commit}` : ""}; ${run.usd_per_hour ? `at $${run.usd_per_hour} an hour` : "the machine has no price: set UGCLAB_USD_PER_HOUR"}. Medians; the thin line reaches from the best to the worst.`),
    plot);
}

function measuredBars(rows, goal) {
  const most = Math.max(...rows.map((row) => row.high_s / row.segments));
  const limit = goal.seconds / rows[0].segments;
  const end = most * 1.06;
  const far = limit > end;
  return el(".b-bars.one", { role: "presentation" },
    el(".b-row.b-top", {}, el("span"), axis("Time of a swapped segment, with its share of all else", far ? `target ${duration(limit)}, off this scale →` : `target ${duration(limit)}`, far ? 1 : limit / end)),
    rows.map((row) => el(".b-row", {},
      el(".b-name", {}, el("b", {}, row.label)),
      el(".b-cell", {},
        el("span.b-track", {}, el(`span.b-fill.${row.ours ? "ours" : "in"}`, { style: { width: `${(row.segment_s / end) * 100}%` } }),
          el("span.b-spread", { style: { left: `${(row.low_s / row.segments / end) * 100}%`, width: `${((row.high_s - row.low_s) / row.segments / end) * 100}%` } }),
          far ? null : el("span.b-line", { style: { left: `${(limit / end) * 100}%` } })),
        el("span.b-value.u-number", {}, `${duration(row.segment_s)}${row.segment_usd === null ? "" : `, ${money(row.segment_usd)}`}`)))),
    el("p.u-small.u-muted.b-legend", {}, el("span.b-key.ours"), "ugclab ", el("span.b-key.in"), "for comparison"));
}

function measuredTable(run, rows) {
  return table("The figures as a table", ["Road", "Repeats", "Time of the video", "Best to worst", "Time of a segment", "Cost of a segment", "Processor time", "Peak memory", "Of real time"],
    rows.map((row) => [row.label, numbered(String(row.repeats)), numbered(duration(row.seconds)), numbered(`${duration(row.low_s)} to ${duration(row.high_s)}`), numbered(duration(row.segment_s)),
      numbered(row.segment_usd === null ? "no price" : money(row.segment_usd)), numbered(duration(row.cpu_s)), numbered(`${Math.round(row.peak_mb)} MB`), numbered(`${row.rtf.toFixed(2)} ×`)]));
}

function sources(given) {
  return el("section.u-stack.b-section", {}, el("h2", {}, "How sure this is"),
    el("dl.e-dl", {},
      el("dt", {}, "measured"), el("dd", {}, "by this project, on the machine that is named"),
      el("dt", {}, "published"), el("dd", {}, "by others, with its source"),
      el("dt", {}, "assumed"), el("dd", {}, "nobody has measured it: the least certain constant of a prediction gives it its word")),
    given.skipped.length ? el("p.u-note", {}, `Left out: ${given.skipped.join("; ")}.`) : null,
    copyable("ugclab bench fit --source VIDEO --budget 0.05 --deadline 300 --explain", "The same for a video of yours, with every constant and its origin"));
}

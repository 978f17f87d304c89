// The catalogue: what each engine replaces, whether it can run here, its model files, licences and memory.
import { ask, capital, el, every, fault, fill, megabytes } from "./lib.js";
import { copyable } from "./copying.js";

const REPLACES = {
  face: "The face alone: head, hair and body stay",
  head: "The head: face and hair, the body stays",
  person: "The whole person: face, hair, body and clothes",
};
const STATES = {
  ok: "whole", absent: "not here", "wrong size": "damaged: wrong size", "wrong hash": "damaged: wrong hash",
  "not whole": "not whole", "cannot be read": "cannot be read", unknown: "not in the catalogue",
};

export async function mount(element) {
  const list = el(".e-list", { "aria-busy": "true" }, el("p.u-muted.u-busy.b-wait", {}, "Looking at packages and model files"));
  const said = el(".u-sr", { role: "status" });
  fill(element, head(), list, said);
  const shelf = { last: null, polling: false };
  const refresh = async () => {
    try {
      shelf.last = await ask("/desk/shelf");
      fill(list, ...drawn(shelf.last, act));
    } catch (error) { fill(list, fault(error)); }
    list.removeAttribute("aria-busy");
    if (running(shelf.last)) poll();
  };
  const act = async (name, what, place, accepted = false) => {
    try {
      const pull = await ask(`/desk/shelf/${encodeURIComponent(name)}/${what}`, { accepted });
      shelf.last.pulls[name] = pull;
      fill(place, ...pulling(name, pull, act, place));
      poll();
    } catch (error) { fill(place, fault(error)); }
  };
  const poll = () => {
    if (shelf.polling) return;
    shelf.polling = true;
    every(0.5, async () => {
      let pulls;
      try { pulls = await ask("/desk/shelf/pulls"); } catch { return true; }
      for (const place of list.querySelectorAll("[data-pull]")) {
        const pull = pulls[place.dataset.pull];
        if (pull) fill(place, ...pulling(place.dataset.pull, pull, act, place));
      }
      if (Object.values(pulls).some((pull) => pull.state === "running")) return true;
      shelf.polling = false;
      said.textContent = Object.entries(pulls).map(([name, pull]) => `${name}: ${pull.message}`).join(". ");
      await refresh();
      return false;
    });
  };
  await refresh();
}

const running = (shelf) => shelf && Object.values(shelf.pulls).some((pull) => pull.state === "running");

function head() {
  return el("header.e-head", {}, el("h1", {}, "Engines"),
    el("p.u-muted", {}, "What can put a face into a video, what each one needs, and who may use it for what."));
}

function drawn(shelf, act) {
  const notes = [];
  if (shelf.commercial_only) notes.push(el("p.u-note", {}, "This workbench refuses engines that are not cleared for commercial use (UGCLAB_COMMERCIAL_ONLY)."));
  if (shelf.offline) notes.push(el("p.u-note", {}, "Fetching is switched off here (UGCLAB_OFFLINE): model files are brought by hand."));
  return [...notes, ...shelf.engines.map((engine) => card(engine, shelf, act)), checkpoint(shelf, act), more()];
}

function card(engine, shelf, act) {
  const place = el(".e-pull", { "data-pull": engine.name });
  const last = shelf.pulls[engine.name];
  fill(place, ...(last ? pulling(engine.name, last, act, place) : []));
  return el("article.e-card.u-box", { "aria-labelledby": `e-${engine.name}` },
    el(".e-what", {}, figure(engine.replaces),
      el(".u-stack", {},
        el(".u-row", {}, el("h2.e-name", { id: `e-${engine.name}` }, engine.name), el("span.u-muted.u-small.u-number", {}, `version ${engine.version}`)),
        el("p", {}, engine.summary),
        el("p.u-small.u-muted", {}, `Replaces ${lower(REPLACES[engine.replaces] ?? engine.replaces)}.`))),
    status(engine),
    el(".e-facts", {}, licences(engine), memory(engine)),
    files(engine, shelf, act, place));
}

const lower = (text) => text.charAt(0).toLowerCase() + text.slice(1);

/** A head and shoulders; what is replaced is filled in the signal colour. */
function figure(replaces) {
  const svg = (tag, given, ...children) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(given)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };
  const part = (name, d) => svg("path", { d, class: parts(replaces).includes(name) ? "swap" : "keep" });
  return svg("svg", { viewBox: "0 0 64 72", class: "e-figure", role: "img", "aria-label": REPLACES[replaces] ?? replaces },
    part("body", "M4 72 C4 54 16 49 26 47 L38 47 C48 49 60 54 60 72 Z"),
    part("hair", "M14 26 C12 10 22 3 32 3 C42 3 52 10 50 26 C50 40 46 44 44 45 L20 45 C18 44 14 40 14 26 Z"),
    part("face", "M20 24 C26 23 34 20 38 16 C40 20 42 22 44 24 C44 36 40 46 32 46 C24 46 20 36 20 24 Z"));
}
const parts = (replaces) => ({ face: ["face"], head: ["face", "hair"], person: ["face", "hair", "body"] }[replaces] ?? []);

function status(engine) {
  const state = engine.availability;
  if (state.ready && !state.to_fetch_mb) return el(".e-status.ready", {}, el("b", {}, "Ready here"), " Nothing is missing.");
  if (state.ready) {
    return el(".e-status", {}, el("b", {}, "Ready after fetching its model files"), " ",
      el("span.u-number", {}, `${state.to_fetch_mb.toFixed(1)} MB`), ". A first job fetches them by itself.");
  }
  return el(".e-status.missing", {}, el("b", {}, "Cannot run here"), ` ${capital(state.reason)}.`,
    typed(state.hint) ? copyable(typed(state.hint), "What to type") : el("p", {}, `${capital(state.hint)}.`),
    typed(state.hint) && typed(state.hint) !== state.hint ? el("p.u-small.u-muted", {}, capital(state.hint) + ".") : null);
}

/** The command in a hint, if there is one to be typed. */
function typed(hint) {
  const found = /(?:^|: )((?:pip|ugclab|export|apt-get) .*)$/.exec(hint);
  return found ? found[1] : "";
}

function licences(engine) {
  const use = { yes: "yes", no: "no", unknown: "not known: ask before you do" }[engine.commercial_use] ?? engine.commercial_use;
  const row = (name, value) => [el("dt", {}, name), el("dd", {}, value)];
  return el("section", {}, el("h3", {}, "Licences"),
    el("dl.e-dl", {}, row("Code", engine.licences.code), row("Weights", engine.licences.weights),
      row("Programs it calls", engine.licences.binaries),
      el("dt", {}, "Commercial use"), el(`dd.e-use.${engine.commercial_use}`, {}, use)));
}

function memory(engine) {
  const rows = Object.entries(engine.vram_gb);
  const most = Math.max(24, ...rows.map(([, gb]) => gb));
  const body = rows.length
    ? el(".e-bars", {}, rows.map(([name, gb]) => el(".e-bar", {}, el("span", {}, name),
      el("span.e-track", {}, el("span.e-fill", { style: { width: `${(gb / most) * 100}%` } })),
      el("span.u-number", {}, `${gb} GB`))))
    : el("p.u-muted", {}, "None needed: it runs on the processor.");
  return el("section", {}, el("h3", {}, "GPU memory"), body);
}

function files(engine, shelf, act, place) {
  if (!engine.files.length) return el("section", {}, el("h3", {}, "Model files"), el("p.u-muted", {}, "None."));
  const missing = engine.files.some((file) => file.state !== "ok");
  const terms = [...new Set(engine.files.filter((file) => file.terms && file.state !== "ok").map((file) => file.terms))];
  const total = engine.files.reduce((sum, file) => sum + file.size_bytes, 0);
  const whole = engine.files.filter((file) => file.state === "ok").length;
  const table = el("table.u-table.e-files", {},
    el("thead", {}, el("tr", {}, ["File", "State", "Size", "Licence", "From"].map((name) => el("th", { scope: "col", className: name === "Size" ? "u-number" : "" }, name)))),
    el("tbody", {}, engine.files.map((file) => el("tr", {},
      el("td", { "data-label": "File" }, el("code", {}, file.name)),
      el("td", { "data-label": "State" }, mark(file.state)),
      el("td.u-number", { "data-label": "Size" }, megabytes(file.size_bytes)),
      el("td", { "data-label": "Licence" }, file.licence),
      el("td.u-small.u-muted.e-from", { "data-label": "From" }, from(file.sources))))));
  return el("section.u-stack", {},
    el(".u-row.u-spread", {},
      el("h3", {}, "Model files ", el("span.u-muted.u-number", {}, `${whole} of ${engine.files.length} whole, ${megabytes(total)}`)),
      shelf.may_pull ? el(".u-row", {},
        missing && !shelf.offline && !terms.length ? el("button.u-button.u-solid", { onclick: () => act(engine.name, "pull", place), "aria-label": `Pull model files of ${engine.name}` }, "Pull") : null,
        el("button.u-button", { onclick: () => act(engine.name, "verify", place), "aria-label": `Verify model files of ${engine.name}` }, "Verify")) : null),
    shelf.may_pull && !shelf.offline ? accepting(engine, terms, act, place) : null,
    place,
    missing && !shelf.may_pull ? copyable(`ugclab models pull ${engine.name}${terms.length ? " --accept-licence" : ""}`, terms.length ? "To accept the licence and fetch them, on the machine" : "To fetch them, on the machine") : null,
    el(".u-scroll", {}, table));
}

/** What must be agreed to before files are fetched, and the button that does both. */
function accepting(engine, terms, act, place) {
  if (!terms.length) return null;
  return el(".u-note.u-stack.e-terms", {}, terms.map((text) => el("p", {}, `${text}.`)),
    el(".u-row", {}, el("button.u-button.u-solid", { onclick: () => act(engine.name, "pull", place, true), "aria-label": `Accept the licence and pull model files of ${engine.name}` }, "Accept and pull")));
}

/** Where a file comes from, short: the host of an address, the archive or the wheel that holds it. */
function from(sources) {
  const short = sources.map((source) => {
    const [address, member] = source.split(" of ").reverse();
    if (!address.startsWith("http")) return source.split(" of the ").pop();
    try {
      const { host, pathname } = new URL(address);
      return member ? `${pathname.split("/").pop()} at ${host}` : host;
    } catch { return source; }
  });
  return [...new Set(short)].join(", or ");
}

const mark = (state) => el(`span.e-mark.${state === "ok" ? "ok" : "bad"}`, {}, STATES[state] ?? state);

function pulling(name, pull, act, place) {
  const share = pull.total_bytes ? Math.min(1, pull.done_bytes / pull.total_bytes) : 0;
  if (pull.state === "running") {
    const word = pull.kind === "pull" ? "Fetching" : "Verifying";
    return [el(".e-running.u-busy", {},
      el(".u-row.u-spread", {},
        el("span", {}, pull.stopping ? "Stopping…" : `${word} ${pull.file || "…"}`),
        el(".u-row", {}, el("span.u-number", {}, pull.total_bytes ? `${megabytes(pull.done_bytes)} of ${megabytes(pull.total_bytes)}` : `${Math.round(pull.seconds)} s`),
          el("button.u-button.u-plain", { disabled: pull.stopping, onclick: () => act(name, "cancel", place) }, "Stop"))),
      el(".e-track", { role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": Math.round(share * 100), "aria-label": `${word} ${name}` },
        el("span.e-fill.swap", { style: { width: `${share * 100}%` } })))];
  }
  if (pull.state === "failed") return [fault(pull)];
  return [el("p.u-note.u-small", { role: "status" }, `${pull.kind === "verify" ? "Verified" : "Pulled"}: ${pull.message}.`)];
}

function checkpoint(shelf, act) {
  const given = shelf.checkpoint;
  const place = el(".e-pull", { "data-pull": given.name });
  const last = shelf.pulls[given.name];
  fill(place, ...(last ? pulling(given.name, last, act, place) : []));
  const gib = (bytes) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  const fits = given.free_bytes > given.size_bytes - given.present_bytes;
  return el("article.e-card.u-box", { "aria-labelledby": "e-checkpoint" },
    el(".u-row.u-spread", {}, el("h2.e-name", { id: "e-checkpoint" }, given.name), mark(given.state)),
    el("p", {}, "The checkpoint of Wan2.2-Animate-14B, which replaces a whole person: what the official commands need, and no more."),
    el("dl.e-dl", {},
      el("dt", {}, "To fetch"), el("dd.u-number", {}, gib(Math.max(0, given.size_bytes - given.present_bytes))),
      el("dt", {}, "Free on the disk"), el("dd.u-number", {}, gib(given.free_bytes), fits ? "" : ": too little"),
      el("dt", {}, "From"), el("dd", {}, el("code", {}, `${given.repository} @ ${given.revision}`))),
    place,
    shelf.may_pull ? el(".u-row", {},
      given.state !== "ok" && !shelf.offline ? el("button.u-button", { disabled: !fits, onclick: () => act(given.name, "pull", place), "aria-label": "Pull the checkpoint" }, `Pull ${gib(Math.max(0, given.size_bytes - given.present_bytes))}`) : null,
      given.state !== "absent" ? el("button.u-button", { onclick: () => act(given.name, "verify", place), "aria-label": "Verify the checkpoint" }, "Verify") : null,
      el("a", { href: "/wan" }, "Check or build its commands")) : copyable(`ugclab models pull ${given.name}`, "To fetch it, on the machine"));
}

function more() {
  return el("p.u-muted.e-more", {}, "A further engine is one file with a class of three methods, or a plugin package: it shows up here by itself.");
}

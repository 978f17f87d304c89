// What every script of the page uses: asking the server, making elements, writing numbers with their units.

export class Refused extends Error {
  constructor(message, hint = "", code = "") {
    super(message);
    this.hint = hint;
    this.code = code;
  }
}

/** Ask the server; the answer's JSON, or Refused with a sentence a person understands. */
export async function ask(path, body, { method = body === undefined ? "GET" : "POST", signal } = {}) {
  let answer;
  try {
    answer = await fetch(path, {
      method, signal,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("the workbench does not answer", "it may be starting again: this page tries on by itself", "offline");
  }
  return read(answer.status, await answer.text());
}

/** Send a file as the body, telling how far it is. */
export function send(path, file, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onerror = () => reject(new Refused("the upload broke off", "look at the connection, then try again", "offline"));
    request.onload = () => {
      try { resolve(read(request.status, request.responseText)); } catch (error) { reject(error); }
    };
    request.send(file);
  });
}

function read(status, text) {
  let document = null;
  try { document = JSON.parse(text); } catch { /* said below */ }
  if (status >= 400 || document === null) {
    if (status === 401) location.href = "/login";
    const hint = document?.hint ?? "try again in a moment";
    throw new Refused(document?.message ?? `the workbench answered ${status}`, hint, document?.code ?? "");
  }
  return document;
}

/** An element: el("button.u-button", {onclick, disabled, "aria-label": …}, child, "text"). Text is only ever text. */
export function el(what, props = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  const made = document.createElement(tag || "div");
  if (classes.length) made.className = classes.join(" ");
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(made.style, value);
    else if (name in made && !name.includes("-") && name !== "list") made[name] = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** Put new children in the place of the old. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** What went wrong, in two lines: what, and what to do. */
export function fault(error) {
  const hint = error.hint ? capital(error.hint) + "." : "";
  return el(".u-fault", { role: "alert" }, el("b", {}, capital(error.message) + "."), hint);
}

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
export const plural = (n, one, many = one + "s") => `${n} ${n === 1 ? one : many}`;

/** 65.25 -> "01:05.25"; whole seconds without hundredths where `exact` is false. */
export function clock(seconds, exact = true) {
  const hundredths = Math.round(Math.max(0, seconds) * 100);
  const whole = Math.floor(hundredths / 100);
  const two = (n) => String(n).padStart(2, "0");
  const text = `${two(Math.floor(whole / 60))}:${two(whole % 60)}`;
  return exact ? `${text}.${two(hundredths % 100)}` : text;
}

/** 4.2 -> "4.2 s", 75 -> "1 min 15 s". */
export function duration(seconds) {
  if (seconds < 9.95) return `${Math.max(0, seconds).toFixed(1).replace(/\.0$/, "")} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return whole % 60 ? `${minutes} min ${whole % 60} s` : `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Dollars: two places, or as many as it takes to show that it is not nothing. */
export function money(usd) {
  if (!usd) return "$0.00";
  if (usd >= 0.1) return `$${usd.toFixed(2)}`;
  return `$${usd.toFixed(usd >= 0.001 ? 4 : 6)}`;
}

export const megabytes = (bytes) => bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;

/** Run `step` now and then every `seconds`, not in a hidden tab, until it returns false. */
export function every(seconds, step) {
  let stopped = false;
  const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  (async () => {
    while (!stopped) {
      if (!document.hidden && (await step()) === false) return;
      await wait(seconds * 1000);
    }
  })();
  return () => { stopped = true; };
}

/** A function that runs `work` only once calls have stopped for `ms`. */
export function settled(ms, work) {
  let timer = 0;
  return (...given) => { clearTimeout(timer); timer = setTimeout(() => work(...given), ms); };
}

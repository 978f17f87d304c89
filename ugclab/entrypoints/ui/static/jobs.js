// The Jobs page: all of one's jobs, or with ?id=… one of them.

import { mountJob } from "./job.js";
import { mountList } from "./joblist.js";

export function mount(element) {
  const id = new URLSearchParams(location.search).get("id");
  element.classList.add("j-page");
  return id ? mountJob(element, id) : mountList(element);
}

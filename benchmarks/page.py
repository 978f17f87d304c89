"""What the page costs: python -m benchmarks.page [--only start polls crowd] [--results page.json]

start: from the command to the first answer, and from a browser's request to the first thing one can press.
polls: status asked once a second while the sample is swapped, and frames previewed meanwhile.
crowd: 20 clients ask for their jobs while 5 jobs run, then 500 jobs are submitted: what is lost, whether the order
holds, and how the page's memory grows.
"""

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import httpx

from benchmarks.stitch import machine
from tests.entrypoints.ui.conftest import _ARGUMENTS, CHROMIUM, Site, open_site

ROOT = Path(__file__).parents[1]
CLIENTS, SUBMISSIONS, RUNNING = 20, 500, 5
PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def page(**settings: str) -> Iterator[Site]:
    """A page with a worker, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        site = open_site(Path(folder), HEARTBEAT_S="5", TAKEOVER_S="30", **settings)
        site.start()
        try:
            yield site
        finally:
            site.stop()


def client(site: Site, key: str) -> httpx.Client:
    return httpx.Client(base_url=site.url, headers={"authorization": f"Bearer {key * 8}"}, timeout=30)


def quantiles(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        "count": len(ordered),
        "p50_ms": round(statistics.median(ordered) * 1000, 1),
        "p95_ms": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))] * 1000, 1),
        "max_ms": round(ordered[-1] * 1000, 1),
    }


def timed(do: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.perf_counter()
    found = do()
    return time.perf_counter() - begun, found


def start(rounds: int) -> dict[str, Any]:
    """Seconds until the page answers, and until Try the sample can be pressed in a browser without a cache."""
    from playwright.sync_api import sync_playwright

    ups, paints, usables = [], [], []
    for _ in range(rounds):
        begun = time.perf_counter()
        with page() as site, sync_playwright() as playwright:
            ups.append(time.perf_counter() - begun)
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_ARGUMENTS))
            for _ in range(3):
                tab = browser.new_context(viewport={"width": 1320, "height": 900}).new_page()
                took, _ = timed(lambda tab=tab: (tab.goto(site.url), tab.wait_for_selector("#try-sample")))  # type: ignore[misc]
                usables.append(took)
                paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
                paints.append(tab.evaluate(paint) / 1000)
            browser.close()
    return {
        "up_s": round(statistics.median(ups), 2),
        "first_paint_s": round(statistics.median(paints), 2),
        "usable_s": round(statistics.median(usables), 2),
        "usable_worst_s": round(max(usables), 2),
    }


def draft(asked: httpx.Client, plan: str) -> dict[str, Any]:
    both = asked.post("/desk/sample", json={}).json()
    return {"source": both["source"]["id"], "avatar": both["avatar"]["id"], "plan": plan, "agreed": True}


def looked(asked: httpx.Client, document: dict[str, Any]) -> dict[str, Any]:
    """A look, from the asking to the pictures in hand."""
    look = asked.post("/desk/look", json=document).json()
    while (found := asked.get(f"/desk/look/{look['id']}").json()).get("waiting"):
        pass
    assert "before" in found, found
    for side in ("before", "after"):
        assert asked.get(found[side]).status_code == 200
    return dict(found)


def polls() -> dict[str, Any]:
    """Status and previews while a job runs."""
    with page() as site, client(site, "ann") as asked:
        given = draft(asked, "all")
        frame = {k: given[k] for k in ("source", "avatar")} | {"kind": "frame"}
        cold, _ = timed(lambda: looked(asked, frame | {"at": "1/1"}))
        job_id = asked.post("/desk/submit", json=given).json()["job_id"]
        states, sights, number = [], [], 0
        while True:
            took, job = timed(lambda: asked.get(f"/desk/jobs/{job_id}").json())
            if job["status"] in ("succeeded", "failed", "cancelled"):
                break
            states.append(took)
            if job["status"] == "running":
                number += 1
                at = f"{(3 + 41 * number) % 740}/25"  # a frame nobody has seen
                sights.append(timed(lambda at=at: looked(asked, frame | {"at": at}))[0])  # type: ignore[misc]
            time.sleep(0.1)
        assert job["status"] == "succeeded", job
        idle = [timed(lambda n=n: looked(asked, frame | {"at": f"{11 + 31 * n}/25"}))[0] for n in range(12)]  # type: ignore[misc]
    return {
        "status_while_running": quantiles(states),
        "preview_while_running": quantiles(sights),
        "preview_idle": quantiles(idle),
        "preview_first_s": round(cold, 2),
    }


def crowd() -> dict[str, Any]:
    """Many clients with few jobs; then many submissions."""
    limits = {"MAX_ACTIVE_JOBS": "100000", "MAX_WAITING_JOBS": "100000", "MAX_MINUTES_PER_DAY": "1000000"}
    with page(**limits) as site:
        mine = [f"client-{n:03d}" for n in range(CLIENTS)]
        running = []
        for name in mine[:RUNNING]:
            with client(site, name) as asked:
                running.append(
                    (name, asked.post("/desk/submit", json=draft(asked, "0-3:swap,3-end:keep")).json()["job_id"])
                )
        seconds, faults, stop = [], [], threading.Event()

        def poll(name: str) -> None:
            with client(site, name) as asked:
                while not stop.is_set():
                    took, answer = timed(lambda: asked.get("/desk/jobs"))
                    seconds.append(took)
                    if answer.status_code != 200:
                        faults.append(answer.status_code)
                    stop.wait(1)

        clients = [threading.Thread(target=poll, args=(name,)) for name in mine]
        for thread in clients:
            thread.start()
        ended = []
        while len(ended) < RUNNING:
            time.sleep(0.1)
            for name, job_id in running:
                with client(site, name) as asked:
                    job = asked.get(f"/desk/jobs/{job_id}").json()
                if job["status"] == "succeeded" and job_id not in ended:
                    ended.append(job_id)
        stop.set()
        for thread in clients:
            thread.join()
        polled = quantiles(seconds)
        memory = submissions(site)
    return {
        "clients": CLIENTS,
        "jobs": RUNNING,
        "list_while_running": polled,
        "faults": len(faults),
        "lost": RUNNING - len(ended),
        "in_order": ended == [job_id for _, job_id in running],
        **memory,
    }


def submissions(site: Site) -> dict[str, Any]:
    """Submit many jobs, cancel them, and look at the page's resident memory on the way."""
    assert site.process is not None

    def resident_mb() -> float:
        return int(Path(f"/proc/{site.process.pid}/statm").read_text().split()[1]) * PAGE_MB  # type: ignore[union-attr]

    with client(site, "many") as asked:
        given = draft(asked, "default")
        found, memory, took = set(), [resident_mb()], []
        for number in range(SUBMISSIONS):
            document = given | {"plan": f"0-{number + 10}/25:swap,{number + 10}/25-end:keep"}
            seconds, answer = timed(lambda document=document: asked.post("/desk/submit", json=document).json())  # type: ignore[misc]
            took.append(seconds)
            found.add(answer["job_id"])
            asked.post(f"/desk/jobs/{answer['job_id']}/cancel", json={})
            asked.get("/desk/jobs")
            if (number + 1) % 100 == 0:
                memory.append(resident_mb())
    return {
        "submissions": SUBMISSIONS,
        "submissions_lost": SUBMISSIONS - len(found),
        "submit": quantiles(took),
        "memory_mb_each_100": [round(mb) for mb in memory],
    }


def main() -> None:
    parts = {"start": lambda: start(3), "polls": polls, "crowd": crowd}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--results", default="page.json")
    given = parser.parse_args()
    path = ROOT / "benchmarks" / "results" / given.results
    found = json.loads(path.read_text()) if path.exists() else {}
    for name in given.only:
        found[name] = parts[name]()
        print(name, json.dumps(found[name], indent=1))
    path.write_text(json.dumps(found | {"machine": machine(), "date": date.today().isoformat()}, indent=1) + "\n")


if __name__ == "__main__":
    main()

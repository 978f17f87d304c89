"""What the queue costs: python -m benchmarks.queue [--only submit stages swap idle takeover] [--results queue.json]

submit: putting a job in line whose footage is staged already, p50 and p95 of many.
stages: jobs of five stages that do nothing, through our own claims, progress rows, ends and outbox, beside bare DBOS
workflows of five steps that do nothing: turn by turn, in processes of their own, on the same connections.
swap: a job on the 30 s sample with the engine `mesh`, from dequeue to done, beside `ugclab swap` on the same files.
idle: CPU and memory of a worker with nothing to do. takeover: from kill -9 of a worker to its job's next claim.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.stitch import machine
from tests.engines.plugin import write_plugin
from tests.face_clips import write_clip
from tests.jobs.postgres import Postgres
from ugclab.jobs import records, workflows
from ugclab.jobs.flow import JOBS, STAGES_VERSION
from ugclab.jobs.heartbeat import Heartbeats
from ugclab.jobs.lane import Lane
from ugclab.jobs.notify import Notifier
from ugclab.jobs.queue import Queue
from ugclab.jobs.schema import jobs
from ugclab.jobs.stages import Result, Stages
from ugclab.jobs.worker import _launch
from ugclab.sample import AVATAR, CLIP
from ugclab.schema.job import Consent, FaceTransformInput, JobState, JobView, Principal, Request
from ugclab.schema.media import Asset
from ugclab.settings import Settings

ROOT = Path(__file__).parents[1]
ME = Principal(user="ann", trust="local")
SUBMITS, JOBS_EACH, ROUNDS, AT_ONCE, POLL_S = 300, 250, 5, 4, 0.02
SEGMENTS = [{"index": 0, "action": "swap"}, {"index": 1, "action": "keep"}, {"index": 2, "action": "swap"}]
CLOCK_TICKS, PAGE_MB = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE") / 2**20


def settings(folder: Path, url: str, **more: Any) -> Settings:
    return Settings(data_dir=folder, database_url=url, max_active_jobs=10**6, max_minutes_per_day=10**6, **more)


def request(source: Asset | str, avatar: Asset | str, seed: int, engine: str = "mesh") -> Request:
    return Request(
        input=FaceTransformInput(source=source, avatar=avatar),
        principal=ME,
        engine=engine,
        options={"seed": seed},
        consent=Consent(kind="public-domain"),
    )


def staged(queue: Queue) -> tuple[Asset, Asset]:
    return queue.take_in(ME, "default", CLIP), queue.take_in(ME, "default", AVATAR, "avatar")


def bench_submit(folder: Path, url: str) -> dict[str, Any]:
    """Milliseconds of `Queue.submit`; the first one, which loads what is loaded once, is told apart."""
    with Queue(settings(folder, url)) as queue:
        source, avatar = staged(queue)
        times = []
        for seed in range(SUBMITS):
            begun = time.perf_counter()
            queue.submit(request(source, avatar, seed))
            times.append((time.perf_counter() - begun) * 1000)
        again = []
        for seed in range(SUBMITS):
            begun = time.perf_counter()
            queue.submit(request(source, avatar, seed))
            again.append((time.perf_counter() - begun) * 1000)
    figures = {"jobs": SUBMITS, "first_ms": round(times[0], 1), "new": spread(times[1:]), "same_again": spread(again)}
    return figures | {"aim_p50_ms": 5.0, "one_commit": commits(folder, url)}


def commits(folder: Path, url: str) -> dict[str, float]:
    """Milliseconds of the least a durable submit can do here: one transaction that writes one row."""
    with Queue(settings(folder, url)) as queue:
        times = []
        for number in range(SUBMITS):
            begun = time.perf_counter()
            with queue.database.transaction() as connection:
                row = {"job_id": f"c{number}", "key": "c", "user": "c", "project": "c", "state": "cancelled"}
                row |= {"priority": 1, "request": "{}", "workflow_id": f"c{number}", "created_at": 0.0}
                connection.execute(jobs.insert().values(**row))
            times.append((time.perf_counter() - begun) * 1000)
    return spread(times)


def spread(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {
        "p50_ms": round(statistics.median(ordered), 2),
        "p95_ms": round(ordered[int(0.95 * len(ordered))], 2),
    }


class NoStages(Stages):
    """A job's run whose stages do nothing: what is left is the queue's own work."""

    def __enter__(self) -> "NoStages":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def analyse(self) -> Result:
        self.meter.at("analyse")
        return {"value": {"plan": {"segments": SEGMENTS}, "frames": {"0": 1, "2": 1}}}

    def swap(self, index: int) -> Result:
        self.meter.at("swap", index)
        return {"value": {}}

    def stitch(self) -> Result:
        self.meter.at("stitch")
        return {"value": {}}

    def publish(self, ingested: object, analysed: object, swapped: object, stitched: object) -> bool:
        self.meter.at("publish")
        queue = self._queue
        output = Asset(key="users/ann/x", name="x", sha256="0" * 64, size_bytes=1, media_type="video/mp4")
        with queue.database.transaction() as connection:
            return records.end(
                connection, queue.database, queue.flow, self._held.job_id, JobState.SUCCEEDED,
                claim=self._held.claim, output=output, summary={"seconds": 0.0},
            )  # fmt: skip


def one_of_stages(kind: str, folder: Path, url: str) -> float:
    """Jobs a second of one kind, "ours" or "bare"; runs in a process of its own."""
    from dbos import DBOS

    with Queue(settings(folder, url)) as queue:
        workflows.Stages = NoStages  # type: ignore[misc]
        source, avatar = staged(queue)
        name = JOBS if kind == "ours" else "bare"
        for number in range(JOBS_EACH):
            if kind == "ours":
                queue.submit(request(source, avatar, number))
            else:
                with queue.database.transaction() as connection:
                    queue.flow.enqueue(connection, name, f"bare-{number}")
        ours = workflows.Workflows(queue, Lane(queue.settings, "none", 0), _notifier(queue), {})
        _launch(queue.database, STAGES_VERSION, "bench", _Both(ours), AT_ONCE)

        def done() -> int:
            return len(DBOS.list_workflows(status="SUCCESS", load_input=False, load_output=False))

        DBOS.register_queue(name, worker_concurrency=AT_ONCE, polling_interval_sec=POLL_S, on_conflict="always_update")
        wait(lambda: done() >= 10, 60)  # the new interval is known, all is loaded
        first, begun = done(), time.perf_counter()
        wait(lambda: done() == JOBS_EACH, 120)
        wall = time.perf_counter() - begun
        if kind == "ours":
            assert len(queue.list(ME, states=[JobState.SUCCEEDED], limit=1000)) == JOBS_EACH
        DBOS.destroy()
    return (JOBS_EACH - first) / wall


class _Both:
    """Our workflows, and a bare one beside them."""

    def __init__(self, ours: workflows.Workflows) -> None:
        self._ours = ours

    def register(self) -> None:
        from dbos import DBOS

        def bare() -> str:
            for name in ("analyse", "swap-0", "swap-2", "stitch", "publish"):
                DBOS.run_step({"name": name}, lambda: {"ok": {"value": {}}})
            return "done"

        self._ours.register()
        DBOS.workflow(name="bare", max_recovery_attempts=5)(bare)


def _notifier(queue: Queue) -> Notifier:
    return Notifier(queue.database, queue.flow, queue.settings, queue.client)


def bench_stages(fresh: Callable[[], tuple[Path, str]]) -> dict[str, Any]:
    """Both kinds turn by turn, each on a database of its own."""
    rates: dict[str, list[float]] = {"ours": [], "bare": []}
    for _ in range(ROUNDS):
        for kind, found in rates.items():
            folder, url = fresh()
            words = [sys.executable, "-m", "benchmarks.queue", "--one", kind, str(folder), url]
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr[-3000:]
            found.append(float(done.stdout.split()[-1]))
    ours, bare = (statistics.median(rates[k]) for k in ("ours", "bare"))
    return {
        "jobs_per_s": round(ours, 1), "bare_dbos_per_s": round(bare, 1),
        "share": round(statistics.median(a / b for a, b in zip(rates["ours"], rates["bare"], strict=True)), 2),
        "rounds": {k: [round(r, 1) for r in v] for k, v in rates.items()}, "aim_share": 0.8, "at_once": AT_ONCE,
    }  # fmt: skip


@contextmanager
def worker(data: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A worker process that takes jobs."""
    with (data / "worker.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", "ugclab", "worker"], env=environment, stdout=log, stderr=log)
    try:
        with Queue(Settings(data_dir=data)) as queue:
            wait(lambda: any(w.pid == process.pid for w in Heartbeats(queue.database).list()), 60)
        yield process
    finally:
        process.kill()
        process.wait()


def wait(true: Callable[[], Any], limit_s: float) -> Any:
    end = time.monotonic() + limit_s
    while not (found := true()):
        assert time.monotonic() < end, "it does not come true"
        time.sleep(0.05)
    return found


def surroundings(data: Path, **more: str) -> dict[str, str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("UGCLAB_") or k == "UGCLAB_CACHE_DIR"}
    return clean | {"UGCLAB_DATA_DIR": str(data)} | more


def bench_swap(folder: Path, rounds: int) -> dict[str, Any]:
    """Seconds from dequeue to done, beside the whole command, turn by turn, with nothing to reuse."""
    queued, direct = [], []
    for number in range(rounds):
        data = folder / f"queued-{number}"
        data.mkdir()
        with worker(data, surroundings(data)), Queue(Settings(data_dir=data)) as queue:
            job_id = queue.submit(request(str(CLIP), str(AVATAR), 0)).job_id

            def ended(queue: Queue = queue, job_id: str = job_id) -> bool:
                return queue.get(job_id, ME).status.terminal

            wait(ended, 600)
            queued.append(_seconds(queue, job_id))
            assert queue.get(job_id, ME).status is JobState.SUCCEEDED
        data = folder / f"direct-{number}"
        begun = time.perf_counter()
        words = [sys.executable, "-m", "ugclab", "swap", str(CLIP), str(AVATAR), "-o", str(folder / "direct.mp4")]
        subprocess.run([*words, "--quiet"], env=surroundings(data), check=True, stdout=subprocess.DEVNULL)
        direct.append(time.perf_counter() - begun)
    return {
        "queued_s": [round(s, 2) for s in queued], "direct_s": [round(s, 2) for s in direct],
        "more_s": round(statistics.median(queued) - statistics.median(direct), 2), "aim_more_s": 1.0,
    }  # fmt: skip


def _seconds(queue: Queue, job_id: str) -> float:
    with queue.database.reading() as connection:
        row = records.find(connection, job_id)
        assert row is not None
        return float(row.ended_at - row.started_at)


def bench_idle(folder: Path, seconds: float) -> dict[str, Any]:
    """What a worker and its engine process take while there is nothing to do."""
    with worker(folder, surroundings(folder)) as process:
        time.sleep(10)  # until all is loaded
        children = [int(w) for t in Path(f"/proc/{process.pid}/task").glob("*/children") for w in t.read_text().split()]
        pids = {"worker": process.pid, "engine": children[0]}
        before = {name: _cpu_s(pid) for name, pid in pids.items()}
        begun = time.perf_counter()
        time.sleep(seconds)
        wall = time.perf_counter() - begun
        return {
            name: {
                "cpu_percent": round(100 * (_cpu_s(pid) - before[name]) / wall, 2),
                "memory_mb": round(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_MB),
            }
            for name, pid in pids.items()
        }


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def bench_takeover(folder: Path, rounds: int) -> dict[str, Any]:
    """Seconds from kill -9 to the next claim of the job, and to the first stage of the other worker, by default."""
    clip = write_clip(folder / "clip.mp4", frames=50, has_face=lambda n: False)
    times = []
    for number in range(rounds):
        data, ledger = folder / f"data-{number}", folder / f"ledger-{number}"
        data.mkdir()
        ledger.mkdir()
        (ledger / "slow").write_text("1")
        plugins = write_plugin(folder / f"plugins-{number}")
        sys.path.insert(0, str(plugins))
        environment = surroundings(data, UGCLAB_TEST_LEDGER=str(ledger), PYTHONPATH=f"{ROOT}:{plugins}")
        with Queue(Settings(data_dir=data)) as queue, worker(data, environment) as first:
            job_id = queue.submit(request(str(clip), str(AVATAR), number, "ledger")).job_id

            def job(queue: Queue = queue, job_id: str = job_id) -> JobView:
                return queue.get(job_id, ME)

            wait(lambda job=job: job().progress.stage == "swap", 60)
            with worker(data, environment):
                first.kill()
                begun = time.perf_counter()
                wait(lambda job=job: job().recoveries, 60)
                times.append(time.perf_counter() - begun)
    return {"seconds": [round(s, 1) for s in times], "aim_s": 35.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = ("submit", "stages", "swap", "idle", "takeover")
    parser.add_argument("--only", nargs="+", choices=kinds, default=kinds)
    parser.add_argument("--databases", nargs="+", choices=("sqlite", "postgres"), default=("sqlite", "postgres"))
    parser.add_argument("--rounds", type=int, default=2, help="of swap and takeover")
    parser.add_argument("--results", type=Path)
    parser.add_argument("--one", nargs=3, metavar=("KIND", "FOLDER", "URL"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        kind, folder, url = arguments.one
        print(one_of_stages(kind, Path(folder), url))
        return
    report: dict[str, Any] = {}
    if arguments.results and arguments.results.exists():
        report = json.loads(arguments.results.read_text())  # what is not measured again stays
    report |= {"date": date.today().isoformat(), "machine": machine()}
    with tempfile.TemporaryDirectory(prefix="ugclab-bench-") as name:
        top = Path(name)
        for database in arguments.databases:
            with Postgres.started() if database == "postgres" else nullcontext() as server:

                def fresh(server: Postgres | None = server) -> tuple[Path, str]:
                    folder = Path(tempfile.mkdtemp(dir=top))
                    return folder, server.fresh() if server else ""

                if "submit" in arguments.only:
                    report[f"submit, {database}"] = bench_submit(*fresh())
                if "stages" in arguments.only:
                    report[f"stages, {database}"] = bench_stages(fresh)
        single = {
            "swap": lambda: bench_swap(Path(tempfile.mkdtemp(dir=top)), arguments.rounds),
            "idle": lambda: bench_idle(Path(tempfile.mkdtemp(dir=top)), 30),
            "takeover": lambda: bench_takeover(Path(tempfile.mkdtemp(dir=top)), arguments.rounds),
        }
        for name, bench in single.items():
            if name in arguments.only:
                report[name] = bench()
    print(json.dumps(report, indent=2))
    if arguments.results:
        arguments.results.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()

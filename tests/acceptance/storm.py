"""A storm over the queue: workers and submitter killed at random, workers frozen, a store and a receiver that fail.

`python -m tests.acceptance.storm JOBS URL FOLDER` is the submitter: it submits all jobs, and started again after a kill
it submits all of them again.
"""

import base64
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.engines.plugin import write_plugin
from tests.face_clips import write_clip
from tests.jobs.receiver import Receiver, receiving
from tests.storage import rclone
from tests.storage.refusing import Road, refusing
from ugclab.jobs.queue import Queue
from ugclab.media.images import encode_png
from ugclab.schema.job import Consent, FaceTransformInput, Principal, Request
from ugclab.settings import Settings

ROOT = Path(__file__).parents[2]
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
BUCKET = "chaos"
ME = Principal(user="ann", trust="local")
FRAMES, RATE = 16, 25
PLAN = "0-0.2:swap,0.2-0.4:keep,0.4-end:swap"
SEGMENTS = ("0.00-0.20 s", "0.40-0.64 s")
TWINS = 5
"""Every so manyth job is the twin of the one before: the same work in the same project, under another name."""
FRAME_S = 0.12
"""What a swapped frame takes, so that a stage lasts long enough to be hit."""
HEARTBEAT_S, TAKEOVER_S = 0.5, 3.0
_LOOK_S = 0.1
_PACE_S = 0.05
"""Between two jobs that are submitted."""
_COUNTS = {"kill": "worker_kills", "freeze": "freezes", "submitter": "submitter_kills"}


@dataclass(frozen=True)
class Storm:
    """What is tried, and how hard."""

    seed: int
    jobs: int = 20
    workers: int = 3
    database_url: str = ""
    machines: bool = False
    """Every worker has a data folder of its own, and a store on S3 is shared: it refuses one write in ten."""
    every_s: float = 2.0
    """Mean time between two blows."""
    storm_s: float = 35.0
    """No blow after that."""
    limit_s: float = 110.0
    """All jobs must have ended by then."""


@dataclass
class Count:
    """What was done to them."""

    worker_kills: int = 0
    submitter_kills: int = 0
    freezes: int = 0
    worker_starts: int = 0
    submitter_starts: int = 0


@dataclass
class Machine:
    """Where a worker runs: its data folder, its engine's ledger, its process."""

    folder: Path
    ledger: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    restart_at: float = 0.0
    thaw_at: float = 0.0

    @property
    def log(self) -> Path:
        return self.folder.parent / f"{self.ledger.name}.log"


@dataclass
class Scene:
    """A storm under way."""

    storm: Storm
    folder: Path
    queue: Queue
    machines: list[Machine]
    receiver: Receiver
    buckets: Path | None
    road: Road | None
    count: Count = field(default_factory=Count)
    victims: set[int] = field(default_factory=set)
    """Engine processes whose worker was killed."""

    @property
    def submitted(self) -> Path:
        """Where the submitter writes down, a line each, what it was answered."""
        return self.folder / "submitted.jsonl"


@contextmanager
def raised(storm: Storm, folder: Path) -> Iterator[Scene]:
    """An installation in `folder`, with nothing running yet; what was started on it is ended with the block."""
    with ExitStack() as stack:
        folder.mkdir(parents=True, exist_ok=True)
        write_clip(
            folder / "clip.mp4", frames=FRAMES, rate=RATE, width=96, height=64, keyint=8, has_face=lambda n: False
        )
        (folder / "avatar.png").write_bytes(encode_png(np.full((64, 64, 3), 120, np.uint8)))
        receiver = stack.enter_context(receiving())
        fate = random.Random(storm.seed + 1)
        receiver.answer = lambda number: 503 if fate.random() < 1 / 3 else 204
        variables = {
            "UGCLAB_DATABASE_URL": storm.database_url or f"sqlite:///{folder / 'queue.sqlite'}",
            "UGCLAB_HEARTBEAT_S": str(HEARTBEAT_S),
            "UGCLAB_TAKEOVER_S": str(TAKEOVER_S),
            "UGCLAB_HANG_S": "30",
            "UGCLAB_RETRY_S": "0.2",
            "UGCLAB_POISON_LIMIT": "1000",
            "UGCLAB_MAX_ACTIVE_JOBS": "1000",
            "UGCLAB_WEBHOOK_SECRET": SECRET,
            "UGCLAB_WEBHOOK_RETRIES_S": ",".join(["0"] + ["0.3"] * 20),
            "UGCLAB_INTAKE_HOSTS": receiver.host,
            "PYTHONPATH": f"{ROOT}:{write_plugin(folder / 'plugins')}",
        }
        buckets, road = None, None
        if storm.machines:
            buckets = folder / "buckets"
            (buckets / BUCKET).mkdir(parents=True)
            road = stack.enter_context(refusing(stack.enter_context(rclone.serving(buckets)), every=10))
            variables |= {
                "UGCLAB_S3_BUCKET": BUCKET,
                "AWS_ENDPOINT_URL_S3": road.address,
                "AWS_ACCESS_KEY_ID": rclone.ACCESS_KEY,
                "AWS_SECRET_ACCESS_KEY": rclone.SECRET_KEY,
                "AWS_REGION": "us-east-1",
                "AWS_EC2_METADATA_DISABLED": "true",
                "AWS_CONFIG_FILE": os.devnull,
                "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            }
        machines = [_machine(folder, n if storm.machines else 0, n, variables) for n in range(storm.workers)]
        stack.enter_context(_environment(machines[0].environment))
        queue = stack.enter_context(Queue(Settings()))
        queue.database.prepare()
        scene = Scene(storm, folder, queue, machines, receiver, buckets, road)
        stack.callback(_end_all, scene)
        yield scene


def _machine(folder: Path, number: int, worker: int, variables: dict[str, str]) -> Machine:
    data, ledger = folder / f"data-{number}", folder / f"ledger-{worker}"
    for place in (data, ledger):
        place.mkdir(exist_ok=True)
    (ledger / "slow").write_text(str(FRAME_S))
    own = {"UGCLAB_DATA_DIR": str(data), "UGCLAB_TEST_LEDGER": str(ledger)}
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("UGCLAB_", "AWS_"))}
    clean |= {name: value for name, value in os.environ.items() if name == "UGCLAB_CACHE_DIR"}
    return Machine(data, ledger, clean | variables | own)


@contextmanager
def _environment(wanted: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(wanted)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def rage(scene: Scene) -> None:
    """Start everything, strike until the time is over, and wait until all is done."""
    storm, dice = scene.storm, random.Random(scene.storm.seed)
    begun = time.monotonic()
    submitter, submitter_at = submit(scene), 0.0
    strike_at = begun + 1 + dice.expovariate(1 / storm.every_s)
    while True:
        now = time.monotonic()
        assert now - begun < storm.limit_s, f"not all has ended in {storm.limit_s:.0f} s: {_states(scene)}"
        raging = now - begun < storm.storm_s
        for machine in scene.machines:
            _tend(scene, machine, now)
        if submitter.poll() is not None and submitter.returncode != 0 and submitter_at == 0.0:
            assert submitter.returncode == -signal.SIGKILL, "the submitter failed"
            submitter_at = now + dice.uniform(0.1, 1)
        if submitter_at and now > submitter_at:
            submitter, submitter_at = submit(scene), 0.0
        if raging and now > strike_at:
            strike_at = now + dice.expovariate(1 / storm.every_s)
            _strike(scene, submitter, dice, now)
        if submitter.poll() == 0 and not any(m.thaw_at for m in scene.machines) and _done(scene):
            return
        time.sleep(_LOOK_S)


def _tend(scene: Scene, machine: Machine, now: float) -> None:
    """Start a machine's worker again, or let it go on, when its time has come."""
    if machine.thaw_at and now > machine.thaw_at:
        for pid in (pid_of(machine), *children_of(pid_of(machine))):
            os.kill(pid, signal.SIGCONT)
        machine.thaw_at = 0.0
    if machine.process is None and now > machine.restart_at:
        with machine.log.open("ab") as log:
            machine.process = subprocess.Popen(
                [sys.executable, "-m", "ugclab", "worker"], env=machine.environment, stdout=log, stderr=log
            )
        scene.count.worker_starts += 1
    elif machine.process is not None:
        code = machine.process.poll()
        assert code is None, f"a worker ended by itself, with exit code {code}"


def _strike(scene: Scene, submitter: subprocess.Popen[bytes], dice: random.Random, now: float) -> None:
    """Kill or freeze somebody."""
    count = scene.count
    wanted = ("kill", "freeze") if submitter.poll() is not None else ("submitter", "kill", "freeze")
    missing = [name for name in wanted if not getattr(count, _COUNTS[name])]
    blow = missing[0] if missing else dice.choices(tuple(_COUNTS), (5, 3, 1))[0]
    if blow == "submitter" and submitter.poll() is None:
        submitter.kill()
        submitter.wait()
        count.submitter_kills += 1
        return
    standing = [m for m in scene.machines if m.process is not None and not m.thaw_at]
    if not standing:
        return
    machine = dice.choice([m for m in standing if _busy(m)] or standing)
    children = children_of(pid_of(machine))
    if blow == "freeze":
        for pid in (pid_of(machine), *(children if dice.random() < 0.5 else ())):
            os.kill(pid, signal.SIGSTOP)
        machine.thaw_at = now + TAKEOVER_S + dice.uniform(0.5, 3)
        count.freezes += 1
        return
    assert machine.process is not None
    machine.process.kill()
    machine.process.wait()
    machine.process, machine.restart_at = None, now + dice.uniform(0, 1.5 * TAKEOVER_S)
    scene.victims |= set(children)
    count.worker_kills += 1


def _busy(machine: Machine) -> bool:
    """Whether its engine wrote something down just now: a blow at somebody who has nothing to do tries nothing."""
    ledger = machine.ledger / "ledger.jsonl"
    return ledger.exists() and time.time() - ledger.stat().st_mtime < 1


def _done(scene: Scene) -> bool:
    jobs = scene.queue.list(ME, limit=10_000)
    return len(jobs) >= scene.storm.jobs and all(j.status.terminal for j in jobs) and _told(scene)


def _told(scene: Scene) -> bool:
    from ugclab.jobs.schema import outbox

    with scene.queue.database.reading() as connection:
        return all(row.status != "pending" for row in connection.execute(outbox.select()))


def _states(scene: Scene) -> str:
    jobs = scene.queue.list(ME, limit=10_000)
    ongoing = [f"{j.job_id} {j.status} {j.progress.stage} {j.recoveries}" for j in jobs if not j.status.terminal]
    return f"{len(jobs)} submitted; {ongoing}; all told: {_told(scene)}"


def pid_of(machine: Machine) -> int:
    assert machine.process is not None
    return machine.process.pid


def children_of(pid: int) -> list[int]:
    try:
        tasks = Path(f"/proc/{pid}/task").glob("*/children")
        return [int(word) for task in tasks for word in task.read_text().split()]
    except OSError:
        return []


def logs(scene: Scene) -> str:
    """The ends of what workers said."""
    return "\n".join(f"--- {m.log.name}\n{m.log.read_text()[-3000:]}" for m in scene.machines if m.log.exists())


def _end_all(scene: Scene) -> None:
    for machine in scene.machines:
        if machine.process is not None and machine.process.poll() is None:
            machine.process.send_signal(signal.SIGCONT)
            machine.process.kill()
            machine.process.wait()


def submit(scene: Scene) -> subprocess.Popen[bytes]:
    """Start the submitter."""
    scene.count.submitter_starts += 1
    words = [sys.executable, "-m", "tests.acceptance.storm"]
    words += [str(scene.storm.jobs), scene.receiver.url, str(scene.folder)]
    with (scene.folder / "submitter.log").open("ab") as log:
        return subprocess.Popen(words, env=scene.machines[0].environment, cwd=ROOT, stdout=log, stderr=log)


def request_of(number: int, url: str, folder: Path) -> Request:
    """The job of that number; every so manyth does what the one before it does."""
    twin = number % TWINS == TWINS - 1
    work = number - 1 if twin else number
    return Request(
        input=FaceTransformInput(source=str(folder / "clip.mp4"), avatar=str(folder / "avatar.png"), plan=PLAN),
        principal=ME,
        project=f"p{work}",
        engine="ledger",
        options={"seed": work, "min_swapped": 0.4 if twin else 0.5},
        consent=Consent(kind="agreed", agreed_by="Ann", agreed_at="2026-11-20"),
        webhook_url=url,
        record_id=f"record-{number}",
    )


def submit_all(jobs: int, url: str, folder: Path) -> None:
    """Submit every job, and write down what was answered."""
    with Queue(Settings()) as queue, (folder / "submitted.jsonl").open("a") as out:
        for number in range(jobs):
            job = queue.submit(request_of(number, url, folder))
            out.write(json.dumps({"number": number, "job_id": job.job_id}) + "\n")
            out.flush()
            time.sleep(_PACE_S)


if __name__ == "__main__":
    submit_all(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))

"""Several servers and workers, processes all, on one Postgres and one S3 server; a caller over HTTP; kill -9 at random.

Each machine has a data folder of its own. The caller gives every job an Idempotency-Key, and asks another server
again whenever one does not answer: so whatever dies, each job is to be there once and end once.
"""

import hashlib
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import sqlalchemy as sa

from tests.engines.plugin import write_plugin
from tests.face_clips import write_clip
from tests.storage import rclone
from ugclab.jobs.heartbeat import Heartbeats
from ugclab.jobs.keys import Keys, NewKey
from ugclab.jobs.queue import Queue
from ugclab.jobs.schema import events, jobs, outbox
from ugclab.media.images import encode_png
from ugclab.settings import Settings

ROOT = Path(__file__).parents[2]
BUCKET = "doors"
PLAN = "0-0.2:swap,0.2-0.4:keep,0.4-end:swap"
_AGAIN_S = 0.1
_LATER = {429, 502, 503}


@dataclass
class Machine:
    """A process, and how it is started."""

    words: list[str]
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    kills: int = 0

    def start(self) -> None:
        """Start it."""
        with self.log.open("ab") as out:
            command = [sys.executable, "-m", "ugclab", *self.words]
            self.process = subprocess.Popen(command, env=self.environment, stdout=out, stderr=out)

    def kill(self) -> None:
        """As a power failure would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@dataclass
class Doors:
    """An installation of several machines."""

    folder: Path
    queue: Queue
    key: str
    servers: list[Machine]
    workers: list[Machine]
    ports: list[int]
    dice: random.Random
    server_kills: int = 0
    worker_kills: int = 0
    asked_again: int = 0
    files: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, limit_s: float = 60, **more: Any) -> httpx.Response:
        """Ask one server after the other until one answers for good."""
        until = time.monotonic() + limit_s
        headers = {"authorization": f"Bearer {self.key}"} | more.pop("headers", {})
        while True:
            port = self.dice.choice(self.ports)
            try:
                url = f"http://127.0.0.1:{port}{path}"
                answer = httpx.request(method, url, headers=headers, timeout=20, **more)
                if answer.status_code not in _LATER:
                    return answer
            except httpx.TransportError:
                pass
            assert time.monotonic() < until, f"nobody answers {method} {path}: {self.logs()}"
            self.asked_again += 1
            time.sleep(_AGAIN_S)

    def bring(self, path: Path, role: str) -> str:
        """Bring a file straight to the store."""
        wanted = {"role": role, "name": path.name, "size_bytes": path.stat().st_size}
        leave = self.ask("POST", "/v1/uploads", json=wanted).json()
        put = httpx.put(leave["url"], content=path.read_bytes(), headers=leave["headers"], timeout=30)
        assert put.status_code == 200, put.text
        done = self.ask("POST", f"/v1/uploads/{leave['upload_id']}/complete")
        assert done.status_code == 201, done.text
        return str(done.json()["asset"])

    def submit(self, number: int, engine: str, plan: str = PLAN) -> str:
        """Give one job; its number is its name and its seed."""
        given = self.files | {"engine": engine, "plan": plan, "consent": "public-domain", "options": {"seed": number}}
        answer = self.ask("POST", "/v1/jobs", json=given, headers={"Idempotency-Key": f"{engine}-{number}"})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["job_id"])

    def states(self) -> dict[str, int]:
        """How many jobs are where, as the database has it."""
        with self.queue.database.reading() as connection:
            rows = connection.execute(sa.select(jobs.c.state, sa.func.count()).group_by(jobs.c.state)).all()
        return {row[0]: row[1] for row in rows}

    def strike(self) -> None:
        """Kill one machine and start it again."""
        servers = self.dice.random() < 0.4
        machine = self.dice.choice(self.servers if servers else self.workers)
        machine.kill()
        machine.start()
        self.server_kills += servers
        self.worker_kills += not servers

    def logs(self) -> str:
        """The ends of what was said."""
        return "\n".join(m.log.read_text()[-1500:] for m in (*self.servers, *self.workers) if m.log.exists())

    def wait(self, true: Any, limit_s: float, what: str) -> None:
        """Until it is so."""
        until = time.monotonic() + limit_s
        while not true():
            assert time.monotonic() < until, f"{what} not within {limit_s:.0f} s: {self.states()}\n{self.logs()}"
            time.sleep(0.05)

    def work(self, count: int) -> None:
        """Have so many workers, fresh and taking jobs."""
        for machine in self.workers:
            machine.kill()
        with self.queue.database.transaction() as connection:
            connection.execute(sa.text("DELETE FROM ugclab_workers"))
        for machine in self.workers[:count]:
            machine.start()
        beats = Heartbeats(self.queue.database)
        self.wait(lambda: len(beats.living(60)) == count, 60, f"{count} workers")


@contextmanager
def opened(folder: Path, database_url: str, *, servers: int, workers: int, seed: int, clip: Path | None = None,
           avatar: Path | None = None) -> Iterator[Doors]:  # fmt: skip
    """An installation with its servers running and its files brought; workers are started by `work`."""
    with ExitStack() as stack:
        (folder / "buckets" / BUCKET).mkdir(parents=True)
        address = stack.enter_context(rclone.serving(folder / "buckets"))
        variables = {
            "UGCLAB_DATABASE_URL": database_url,
            "UGCLAB_HEARTBEAT_S": "0.5",
            "UGCLAB_TAKEOVER_S": "3",
            "UGCLAB_RETRY_S": "0.2",
            "UGCLAB_POISON_LIMIT": "1000",
            "UGCLAB_MAX_ACTIVE_JOBS": "1000",
            "UGCLAB_REQUESTS_PER_MINUTE": "1000000",
            "UGCLAB_S3_BUCKET": BUCKET,
            "AWS_ENDPOINT_URL_S3": address,
            "AWS_ACCESS_KEY_ID": rclone.ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": rclone.SECRET_KEY,
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "PYTHONPATH": f"{ROOT}:{write_plugin(folder / 'plugins')}",
            "OMP_NUM_THREADS": "1",
        }
        clean = {
            k: v for k, v in os.environ.items() if not k.startswith(("UGCLAB_", "AWS_")) or k == "UGCLAB_CACHE_DIR"
        }
        ports = [_free_port() for _ in range(servers)]

        def machine(name: str, *words: str) -> Machine:
            data = folder / name
            data.mkdir()
            return Machine(list(words), clean | variables | {"UGCLAB_DATA_DIR": str(data)}, folder / f"{name}.log")

        made = [machine(f"server-{n}", "serve", "--port", str(p)) for n, p in enumerate(ports)]
        hands = [machine(f"worker-{n}", "worker") for n in range(workers)]
        queue = stack.enter_context(Queue(Settings(data_dir=folder / "looker", database_url=database_url)))
        queue.database.prepare()
        key, _ = Keys(queue.database).create(NewKey(user="ann"))
        doors = Doors(folder, queue, key, made, hands, ports, random.Random(seed))
        stack.callback(lambda: [m.kill() for m in (*doors.servers, *doors.workers)])
        for server in doors.servers:
            server.start()
        if clip is None or avatar is None:
            clip, avatar = folder / "clip.mp4", folder / "avatar.png"
            write_clip(clip, frames=16, rate=25, width=96, height=64, keyint=8, has_face=lambda n: False)
            avatar.write_bytes(encode_png(np.full((64, 64, 3), 120, np.uint8)))
        doors.files = {
            "source_video_url": doors.bring(clip, "source"),
            "avatar_image_url": doors.bring(avatar, "avatar"),
        }
        yield doors


def storm(doors: Doors, count: int, *, every_s: float, strikes: int, limit_s: float) -> dict[str, Any]:
    """Submit all jobs while machines are killed, wait for their end, and look for what was lost or doubled."""
    begun = time.monotonic()
    strike_at = begun + every_s
    names: dict[int, str] = {}
    while doors.states().get("succeeded", 0) < count:
        if len(names) < count:
            number = len(names)
            names[number] = doors.submit(number, "ledger")
        else:
            time.sleep(0.1)
        if time.monotonic() > strike_at and doors.server_kills + doors.worker_kills < strikes:
            doors.strike()
            strike_at = time.monotonic() + doors.dice.uniform(0.5, 1.5) * every_s
        assert time.monotonic() - begun < limit_s, f"{doors.states()}\n{doors.logs()}"
    wall = time.monotonic() - begun
    again = {number: doors.submit(number, "ledger") for number in names}
    return _aftermath(doors, names, again) | {"jobs": count, "seconds": round(wall, 1)}


def _aftermath(doors: Doors, names: dict[int, str], again: dict[int, str]) -> dict[str, Any]:
    with doors.queue.database.reading() as connection:
        rows = connection.execute(jobs.select()).all()
        ends = connection.execute(
            sa.select(events.c.job_id, sa.func.count()).where(events.c.what == "succeeded").group_by(events.c.job_id)
        ).all()
        told = connection.execute(sa.select(outbox.c.job_id, sa.func.count()).group_by(outbox.c.job_id)).all()
    broken = []
    for job_id in names.values():
        job = doors.ask("GET", f"/v1/jobs/{job_id}").json()
        video = doors.ask("GET", f"/v1/jobs/{job_id}/result", follow_redirects=False)
        assert video.status_code == 307, video.text
        body = httpx.get(video.headers["location"], timeout=30).content  # without our key
        if hashlib.sha256(body).hexdigest() != job["output"]["sha256"]:
            broken.append(job_id)
    return {
        "server_kills": doors.server_kills,
        "worker_kills": doors.worker_kills,
        "asked_again": doors.asked_again,
        "recoveries": sum(row.recoveries for row in rows),
        "lost": len(set(names.values()) - {row.job_id for row in rows if row.state == "succeeded"}),
        "doubled": len(rows) - len(set(names.values())),
        "ended_twice": sum(n != 1 for _, n in ends) + sum(n != 1 for _, n in told),
        "not_the_same_again": sum(again[n] != names[n] for n in names),
        "broken": len(broken),
    }


def throughput(doors: Doors, engine: str, workers: int, count: int, *, plan: str, limit_s: float) -> dict[str, Any]:
    """Jobs a second with so many workers: from the first one's start to the last one's end, all of them warm."""
    doors.work(workers)
    first = 10_000 * workers
    warm = [doors.submit(first + 5_000 + n, engine, plan) for n in range(workers)]
    _done(doors, warm, limit_s)
    made = [doors.submit(first + n, engine, plan) for n in range(count)]
    _done(doors, made, limit_s)
    with doors.queue.database.reading() as connection:
        rows = connection.execute(sa.select(jobs.c.started_at, jobs.c.ended_at).where(jobs.c.job_id.in_(made))).all()
    wall = max(row.ended_at for row in rows) - min(row.started_at for row in rows)
    return {"workers": workers, "jobs": count, "jobs_per_s": round(count / wall, 3), "seconds": round(wall, 1)}


def _done(doors: Doors, wanted: list[str], limit_s: float) -> None:
    def all_done() -> bool:
        with doors.queue.database.reading() as connection:
            states = connection.execute(sa.select(jobs.c.state).where(jobs.c.job_id.in_(wanted))).scalars().all()
        assert not {"failed", "cancelled"} & set(states), doors.logs()
        return all(state == "succeeded" for state in states)

    doors.wait(all_done, limit_s, "the jobs have ended")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

"""What a storm may have left, and nothing else: each check says what must be so, and counts what it saw."""

import fcntl
import hashlib
import json
import os
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import sqlalchemy as sa
from standardwebhooks import Webhook

from tests.acceptance.storm import (
    BUCKET,
    FRAMES,
    ME,
    RATE,
    SECRET,
    SEGMENTS,
    Machine,
    Scene,
    submit,
)
from tests.face_clips import number_of
from ugclab.jobs.schema import jobs, outbox
from ugclab.schema.job import JobState, JobView
from ugclab.storage import paths
from ugclab.storage.artefacts import Artefacts
from ugclab.storage.local import LocalStore

_SLACK_S = 1.0
"""Between a process's look for an artefact and the first line of its work: meanwhile another may have finished it."""
_END_S = 20.0


def look(scene: Scene) -> dict[str, Any]:
    """Check everything; stops the workers on its way. Raises AssertionError."""
    ended = scene.queue.list(ME, limit=10_000)
    found = _jobs(scene, ended) | _news(scene) | _results(scene, ended) | _objects(scene, ended) | _work(scene)
    _no_orphans(scene)
    _work_is_held(scene)
    _stop(scene)
    _nothing_at_work(scene)
    return found


def _jobs(scene: Scene, ended: tuple[JobView, ...]) -> dict[str, Any]:
    """Each was made once, whoever submitted it how often, and succeeded."""
    assert submit(scene).wait(60) == 0
    lines = [json.loads(line) for line in scene.submitted.read_text().splitlines()]
    ids = defaultdict(set)
    for line in lines:
        ids[line["number"]].add(line["job_id"])
    assert len(ids) == scene.storm.jobs
    assert all(len(found) == 1 for found in ids.values()), f"a job was made twice: {dict(ids)}"
    assert {j.job_id for j in ended} == set.union(*ids.values())
    bad = [j for j in ended if j.status is not JobState.SUCCEEDED]
    assert not bad, f"not all succeeded: {[(j.job_id, j.status, j.error) for j in bad]}"
    with scene.queue.database.reading() as connection:
        claims = connection.execute(sa.select(sa.func.count()).where(jobs.c.claim != "")).scalar_one()
    assert claims == 0
    return {"submitted_in_all": len(lines), "takeovers": sum(j.recoveries for j in ended)}


def _news(scene: Scene) -> dict[str, Any]:
    """One event a job, delivered, always the same bytes under the same id."""
    with scene.queue.database.reading() as connection:
        rows = {row.event_id: row for row in connection.execute(outbox.select())}
    assert len(rows) == scene.storm.jobs
    assert len({row.job_id for row in rows.values()}) == scene.storm.jobs
    assert {row.status for row in rows.values()} == {"delivered"}
    posts = list(scene.receiver.told)
    ids = Counter(post.headers["webhook-id"] for post in posts)
    assert set(ids) == set(rows)
    for post in posts:
        row = rows[post.headers["webhook-id"]]
        assert post.body == row.payload.encode(), "a message changed"
        assert Webhook(SECRET).verify(post.body, post.headers)["job_id"] == row.job_id
    kept = Counter(post.headers["webhook-id"] for post in posts if post.answer == 204)
    assert set(kept) == set(rows)
    return {
        "events": len(rows),
        "webhooks_sent": len(posts),
        "webhooks_refused": sum(post.answer != 204 for post in posts),
        "webhooks_repeated": sum(kept.values()) - len(kept),
    }


def _results(scene: Scene, ended: tuple[JobView, ...]) -> dict[str, Any]:
    """Every output is whole: its bytes, its frames in their order, and its report."""
    target = scene.folder / "output.mp4"
    for job in ended:
        assert job.output is not None
        assert job.output.key == paths.render("ann", job.project, job.job_id)
        target.unlink(missing_ok=True)
        scene.queue.store.get_file(job.output.key, target, sha256=job.output.sha256)
        assert target.stat().st_size == job.output.size_bytes
        assert hashlib.sha256(target.read_bytes()).hexdigest() == job.output.sha256
        with av.open(str(target)) as container:
            shown = [number_of(frame.to_ndarray(format="gray")) for frame in container.decode(video=0)]
        assert shown == list(range(FRAMES)), f"{job.job_id}: frames {shown}"
        report = scene.queue.report(job.job_id, ME)
        assert [o.swapped_frames for o in report.outcomes] == [5, 0, 6]
        assert Counter((m.step, m.segment) for m in report.measurements if m.step == "swap") == {
            ("swap", 0): 1,
            ("swap", 2): 1,
        }
    return {"outputs": len(ended)}


def _objects(scene: Scene, ended: tuple[JobView, ...]) -> dict[str, Any]:
    """The store holds what belongs to the jobs, and nothing else."""
    expected = set()
    for job in ended:
        folder = paths.metadata_folder("ann", job.project, job.job_id)
        expected |= {
            paths.render("ann", job.project, job.job_id),
            paths.contact_sheet("ann", job.project, job.job_id),
            f"{folder}/report.json",
            f"{folder}/consent.json",
        }
        for name, suffix in (("clip.mp4", ".mp4"), ("avatar.png", ".png")):
            digest = hashlib.sha256((scene.folder / name).read_bytes()).hexdigest()
            expected.add(paths.asset("ann", job.project, digest, suffix))
    listed = Counter(stored.key for stored in scene.queue.store.list(""))
    assert set(listed.values()) == {1}
    mirrored = {key for key in listed if "/metadata/artefacts/" in key}
    assert bool(mirrored) == scene.storm.machines
    assert set(listed) - mirrored == expected, sorted((set(listed) - mirrored) ^ expected)[:5]
    figures = {"objects": len(listed), "duplicates": 0, "lost": 0}
    if scene.road is not None:
        return figures | {"writes": scene.road.writes, "writes_failed": scene.road.refused + scene.road.lost}
    unfinished = [path for path in scene.queue.store.root.rglob(".*") if path.is_file()]
    return figures | {"unfinished_files": len(unfinished)}


def _work(scene: Scene) -> dict[str, Any]:
    """No stage was begun by a machine that could have taken its result up; each was done at least once."""
    done: Counter[str] = Counter()
    late = []
    seeds = {int(job.project[1:]) for job in scene.queue.list(ME, limit=10_000)}
    for machine in scene.machines:
        lines = [json.loads(line) for line in _text(machine.ledger / "ledger.jsonl").splitlines()]
        for line in lines:
            seed = int(line["about"].rpartition(" ")[2] or -1)
            kind = {"analyse-begin": "analysis", "swap-begin": "segment"}.get(line["what"])
            done[line["what"]] += 1
            if kind is None:
                continue
            frames = FRAMES if kind == "analysis" else _frames_of(line["about"])
            committed = _committed(scene, machine, seed, kind, frames)
            if line["at"] > committed + _SLACK_S:
                late.append((line, committed))
    assert not late, f"{len(late)} stages were done though they were finished: {late[:3]}"
    assert done["analyse-end"] >= len(seeds)
    assert done["swap-end"] >= len(seeds) * len(SEGMENTS)
    return {
        "segments_due": len(seeds) * len(SEGMENTS),
        "segments_begun": done["swap-begin"],
        "segments_ended": done["swap-end"],
        "analyses_begun": done["analyse-begin"],
        "done_again_though_finished": 0,
    }


def _committed(scene: Scene, machine: Machine, seed: int, kind: str, frames: int) -> float:
    """When this machine could first take up that piece of work: seconds since 1970."""
    scope = f"users/ann/projects/p{seed}"
    # A folder's ctime is that of the rename that made it an artefact: nothing in it is added or removed later.
    times = [
        folder.stat().st_ctime
        for folder in (machine.folder / "artefacts" / scope / kind).glob("*")
        if _is(kind, folder / "manifest.json", frames)
    ]
    assert len(times) <= 1, f"one piece of work has two keys: {scope}"
    if scene.buckets is not None:
        mirror = scene.buckets / BUCKET / scope / "metadata" / "artefacts" / kind
        times += [path.stat().st_ctime for path in mirror.glob("*/manifest.json") if _is(kind, path, frames)]
    return min(times, default=float("inf"))


def _is(kind: str, manifest: Path, frames: int) -> bool:
    """Segments of one project are told apart by how many frames they have."""
    result = json.loads(manifest.read_text())["result"]
    return kind == "analysis" or result["frames"] == frames


def _frames_of(about: str) -> int:
    found = next(text for text in SEGMENTS if text in about)
    start, end = (float(part) for part in found.removesuffix(" s").split("-"))
    return round((end - start) * RATE)


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _engines(scene: Scene) -> Iterator[tuple[int, int]]:
    """Process and parent of every engine child of this scene that lives."""
    marks = {f"UGCLAB_TEST_LEDGER={m.ledger}".encode() for m in scene.machines}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if b"ugclab.entrypoints.engine_child" in (folder / "cmdline").read_bytes():
                status = (folder / "stat").read_text().rpartition(")")[2].split()
                if status[0] != "Z" and marks & set((folder / "environ").read_bytes().split(b"\0")):
                    yield int(folder.name), int(status[1])
        except OSError:
            continue


def _no_orphans(scene: Scene) -> None:
    """Engine processes of killed workers have ended by themselves."""
    living = {m.process.pid for m in scene.machines if m.process is not None}
    _until(lambda: all(parent in living for _, parent in _engines(scene)), "an engine outlives its worker")
    assert not scene.victims & {pid for pid, _ in _engines(scene)}


def _work_is_held(scene: Scene) -> None:
    """Nothing lies in the work folders but what living processes hold."""
    for machine in scene.machines:
        artefacts = Artefacts(LocalStore(machine.folder / "artefacts"), 4096)
        artefacts.evict()
        for path in (machine.folder / "artefacts" / "work").glob("*"):
            lease = path if path.suffix == ".lease" else path.with_name(path.name + ".lease")
            assert _held(lease), f"{path.name} was left"


def _held(lease: Path) -> bool:
    if not lease.exists():
        return False
    descriptor = os.open(lease, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _stop(scene: Scene) -> None:
    """Workers end when they are asked to."""
    living = [m.process for m in scene.machines if m.process is not None]
    for process in living:
        process.send_signal(signal.SIGTERM)
    for process in living:
        assert process.wait(60) == 0, "a worker does not end well"


def _nothing_at_work(scene: Scene) -> None:
    _until(lambda: not list(_engines(scene)), "an engine outlives its worker")
    for machine in scene.machines:
        Artefacts(LocalStore(machine.folder / "artefacts"), 4096).evict()
        left = list((machine.folder / "artefacts" / "work").glob("*"))
        assert not left, f"{left[0].name} was left"


def _until(true: Callable[[], bool], otherwise: str) -> None:
    end = time.monotonic() + _END_S
    while not true():
        assert time.monotonic() < end, otherwise
        time.sleep(0.05)

"""`ugclab demo`: the sample through the queue, as any job goes, with a worker of its own where none is running."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ugclab.entrypoints.following import copy_out, follow
from ugclab.errors import EngineCrashed, OutputError
from ugclab.jobs.heartbeat import Heartbeats
from ugclab.jobs.queue import Queue
from ugclab.jobs.workflows import error_of_job
from ugclab.sample import AVATAR, CLIP
from ugclab.schema.job import Consent, FaceTransformInput, JobView, Principal, Priority, Request
from ugclab.schema.report import Report
from ugclab.settings import Settings

_OWNER = Principal(user="local", trust="local")
_STOP_S = 30.0


def run_demo(out: Path, *, quiet: bool) -> Report:
    """Submit the sample, have it done, and copy video, picture and report to the folder `out`."""
    request = Request(
        input=FaceTransformInput(source=str(CLIP), avatar=str(AVATAR)),
        principal=_OWNER,
        project="demo",
        priority=Priority.HIGH,
        consent=Consent(kind="public-domain"),
    )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out} cannot be made: {error.strerror}", hint="choose another folder") from error
    with Queue(Settings()) as queue:
        job = queue.submit(request)
        if job.output is not None and not queue.store.exists(job.output.key):
            queue.delete(job.job_id, _OWNER)  # somebody cleared the store
            job = queue.submit(request)
        job = _done(queue, job, quiet=quiet)
        if job.error:
            raise error_of_job(job.error)
        report = copy_out(queue, job.job_id, _OWNER, out / "demo.mp4", out / "demo.json", out / "demo.png")
    (out / "demo.md").write_text(report.to_markdown())
    return report


def _done(queue: Queue, job: JobView, *, quiet: bool) -> JobView:
    if job.status.terminal:
        return job
    with _some_worker(queue) as (worker, log):
        job = follow(
            queue,
            job.job_id,
            _OWNER,
            quiet=quiet,
            stopped=lambda: worker is not None and worker.poll() is not None,
        )
        if not job.status.terminal:
            said = log.read_text(errors="replace").strip().splitlines()[-3:]
            raise EngineCrashed("the demo's worker has ended: " + " ".join(said), hint=f"see {log}")
        return job


@contextmanager
def _some_worker(queue: Queue) -> Iterator[tuple[subprocess.Popen[bytes] | None, Path]]:
    """The workers that are running, or one of our own for as long as the block takes."""
    log = queue.settings.data_dir.expanduser() / "demo-worker.log"
    limit = queue.settings.takeover_s / 2
    if any(w.state == "alive" and w.silent_s < limit for w in Heartbeats(queue.database).list()):
        yield None, log
        return
    with log.open("wb") as said:
        worker = subprocess.Popen(
            [sys.executable, "-m", "ugclab", "worker", "--until-idle"],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,  # Ctrl-C is ours: we tell it
        )
    try:
        yield worker, log
    finally:
        worker.terminate()
        with suppress(subprocess.TimeoutExpired):
            worker.wait(_STOP_S)
        if worker.poll() is None:
            worker.kill()

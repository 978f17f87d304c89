"""What runs in a process of its own, so that one trial's memory and warmth are not another's.

    python -m ugclab.bench.child JOB        one trial; JOB is a file
    python -m ugclab.bench.child            a resident: a job a line on stdin, an answer a line on stdout

Nothing is read from the environment here: settings come with the job. Not for people; see `ugclab bench run`.
"""

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from ugclab.engines import registry
from ugclab.engines.base import FaceEngine
from ugclab.errors import UgclabError
from ugclab.pipeline.measure import measured
from ugclab.pipeline.plan import SwapRequest
from ugclab.pipeline.run import run
from ugclab.pipeline.steps import Progress, open_workshop
from ugclab.schema.base import Frozen
from ugclab.schema.report import Measurement
from ugclab.settings import Settings


class Job(Frozen):
    """One trial. `settings` are the parent's, its secrets left out; the data folder is made here and goes again."""

    route: Literal["ugclab", "images"]
    request: SwapRequest
    settings: dict[str, object]
    work: Path
    """A folder in which to work."""


class Mark(Frozen):
    """When a step began, by time.monotonic(), which all processes of a machine share."""

    at: float
    step: str
    segment: int | None


class Answer(Frozen):
    """What a trial came to, or why it failed."""

    measurements: tuple[Measurement, ...] = ()
    marks: tuple[Mark, ...] = ()
    wall_s: float = 0.0
    cpu_s: float = 0.0
    swapped_segments: int = 0
    swapped_frames: int = 0
    ended: float = 0.0
    """time.monotonic()"""
    error: str = ""


def settings_of(job: Job, data_dir: Path) -> Settings:
    """The parent's settings with another data folder: all fields are given, so the environment has no say."""
    return Settings.model_validate({**job.settings, "data_dir": data_dir})


def do(job: Job, engine: FaceEngine | None = None) -> Answer:
    """Do one trial with a fresh data folder."""
    marks: list[Mark] = []

    def note(progress: Progress) -> None:
        if not marks or (marks[-1].step, marks[-1].segment) != (progress.step, progress.segment):
            marks.append(Mark(at=time.monotonic(), step=progress.step, segment=progress.segment))

    with _folder(job.work) as folder, measured() as cost:
        settings = settings_of(job, folder / "data")
        if job.route == "images":
            from ugclab.bench.images import swap_by_images

            with open_workshop(job.request.engine, settings, note, lambda: False, engine=engine) as workshop:
                frames = swap_by_images(workshop, job.request, folder)
            done = tuple(workshop.measurements)
        else:
            report = run(job.request, settings, on_progress=note, engine=engine)
            done, frames = report.measurements, report.swapped_frames
    return Answer(
        measurements=done,
        marks=tuple(marks),
        wall_s=cost.wall_s,
        cpu_s=cost.cpu_s,
        swapped_segments=sum(m.step == "swap" for m in done),
        swapped_frames=frames,
        ended=time.monotonic(),
    )


@contextmanager
def _folder(work: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(dir=work))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def serve() -> None:
    """Answer jobs with one engine, loaded before the first of them; errors are answers."""
    engine: FaceEngine | None = None
    for line in sys.stdin:
        job = Job.model_validate_json(line)
        try:
            if engine is None:
                settings = settings_of(job, job.work)
                engine = registry.make(registry.find(job.request.engine), settings)
                engine.setup(settings.weights_dir)
            answer = do(job, engine)
        except UgclabError as error:
            answer = Answer(error=str(error))
        sys.stdout.write(answer.model_dump_json() + "\n")
        sys.stdout.flush()


def main(words: list[str]) -> None:
    """Do the job of a file, or serve."""
    if not words:
        serve()
        return
    job = Job.model_validate(json.loads(Path(words[0]).read_text()))
    try:
        answer = do(job)
    except UgclabError as error:
        answer = Answer(error=str(error))
    sys.stdout.write(answer.model_dump_json() + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])

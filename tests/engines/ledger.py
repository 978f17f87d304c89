"""A cheap engine that writes down all it does, and dies, hangs or dawdles when it is told to: for tests of the queue.

Where the folder `UGCLAB_TEST_LEDGER` is set, each call appends a line to `ledger.jsonl` there. A file `crash-<step>`
there kills the process once, in the middle of that step; `hang-<step>` makes it say nothing more, once; `fail-<step>`
raises the error whose code it holds, as often as it has lines. `slow` holds the seconds each frame takes, and after a
space the time before which segments are not slow.
"""

import json
import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from ugclab.engines.base import Analysis, Image, Monitor, RangeFaces, SegmentContext, Source
from ugclab.errors import error_of
from ugclab.media.frames import Frame, read_frames
from ugclab.schema.engine import EngineInfo, Licences
from ugclab.schema.job import SwapOptions
from ugclab.schema.media import TimeRange


class Ledger:
    """Darkens every frame a little."""

    info: ClassVar[EngineInfo] = EngineInfo(
        name="ledger",
        version="1.0",
        model_version="none",
        summary="darkens frames and writes down what it does; for tests only",
        replaces="face",
        licences=Licences(code="Apache-2.0"),
        commercial_use="yes",
    )

    def setup(self, weights: Path) -> None:
        """Nothing to load."""
        note("setup", "")

    def analyse(
        self,
        source: Source,
        ranges: Sequence[TimeRange],
        avatar: Image,
        options: SwapOptions,
        workspace: Path,
        monitor: Monitor,
    ) -> Analysis:
        """Say that every frame shows a face."""
        what = f"{source.path.name} {[str(r) for r in ranges]} {options.seed}"
        note("analyse-begin", what)
        obey("analyse")
        found = []
        for part in ranges:
            frames = sum(1 for _ in read_frames(source.path, source.info, part))
            monitor.step(frames, source.info.frames)
            found.append(RangeFaces(range=part, frames=frames, frames_with_face=frames, face_ranges=(part,)))
        note("analyse-end", what)
        return Analysis(engine="ledger", engine_version="1.0", ranges=tuple(found), folder=workspace)

    def swap(self, segment: SegmentContext, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Darken."""
        what = f"{segment.source.path.name} {segment.range} {segment.options.seed}"
        note("swap-begin", what)
        for number, frame in enumerate(frames):
            if number == 3:
                obey("swap")
            dawdle(segment.range)
            frame.y[:] = frame.y // 8 * 7
            frame.swapped = True
            yield frame
        note("swap-end", what)


def folder() -> Path | None:
    """Where it writes and is told what to do."""
    name = os.environ.get("UGCLAB_TEST_LEDGER")
    return Path(name) if name else None


def words(name: str) -> str:
    """What a file of instructions holds; empty without one."""
    place = folder()
    with suppress(OSError):
        return (place / name).read_text() if place else ""
    return ""


def dawdle(part: TimeRange) -> None:
    """Take as long for a frame as the test says, in segments that begin no earlier than it says."""
    pause, _, start = words("slow").partition(" ")
    if pause and part.start >= float(start or 0):
        time.sleep(float(pause))


def note(what: str, about: str) -> None:
    """Append a line; one write, so that processes do not mix theirs."""
    if place := folder():
        line = json.dumps({"what": what, "about": about, "pid": os.getpid(), "at": time.time()}) + "\n"
        descriptor = os.open(place / "ledger.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, line.encode())
        os.close(descriptor)


def obey(step: str) -> None:
    """Do what the test wants to see survived."""
    place = folder()
    if place is None:
        return
    with suppress(OSError):
        (place / f"crash-{step}").unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    with suppress(OSError):
        (place / f"hang-{step}").unlink()
        threading.Event().wait()
    if lines := words(f"fail-{step}").split():
        (place / f"fail-{step}").write_text("\n".join(lines[1:]))
        raise error_of(lines[0], f"the test wants {lines[0]}", "nothing to do")


ENGINES = (Ledger,)

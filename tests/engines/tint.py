"""An engine of another shape than `mesh`: it works through a file and a subprocess, as a command-line model would.

A "face" is whatever has the chroma of skin. The subprocess reads the footage by itself and writes one record a frame to
a file; the parent paints the records' boxes. It proves the protocol, and serves tests that must not need models.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from ugclab.engines.base import Analysis, Image, Monitor, RangeFaces, SegmentContext, Source
from ugclab.errors import AvatarError, EngineError
from ugclab.media.frames import Frame, read_frames
from ugclab.schema.engine import EngineInfo, Licences
from ugclab.schema.job import SwapOptions
from ugclab.schema.media import MediaInfo, TimeRange

ROOT = Path(__file__).parents[2]
LEAST_PX = 60  # chroma pixels of skin that make a face


class Tint:
    """Turns the face's chroma towards the avatar's mean colour."""

    info: ClassVar[EngineInfo] = EngineInfo(
        name="tint",
        version="1.0",
        model_version="none",
        summary="tints skin, through a file and a subprocess; for tests only",
        replaces="face",
        licences=Licences(code="Apache-2.0"),
        commercial_use="yes",
    )

    def setup(self, weights: Path) -> None:
        """Nothing to load."""

    def analyse(
        self,
        source: Source,
        ranges: Sequence[TimeRange],
        avatar: Image,
        options: SwapOptions,
        workspace: Path,
        monitor: Monitor,
    ) -> Analysis:
        """Find the box of skin in every frame of the ranges."""
        red, green, blue = (float(avatar[..., c].mean()) for c in range(3))
        if not red > blue:
            raise AvatarError("the avatar shows no face", hint="give a photo with skin in it")
        faces, counted, done = {}, [], 0
        for part in ranges:
            times, seen = [], []
            for frame in read_frames(source.path, source.info, part, tone_map=options.tone_map):
                box = skin(frame)
                times.append(frame.time)
                if box:
                    faces[str(frame.pts)] = box
                seen.append(bool(box))
                done += 1
                monitor.step(done, source.info.frames)
            found = [
                TimeRange(start=a, end=b) for a, b, s in zip(times, [*times[1:], part.end], seen, strict=True) if s
            ]
            counted.append(
                RangeFaces(range=part, frames=len(seen), frames_with_face=sum(seen), face_ranges=tuple(found))
            )
        (workspace / "faces.json").write_text(json.dumps({"faces": faces, "tint": [red - green, blue - green]}))
        return Analysis(engine="tint", engine_version="1.0", ranges=tuple(counted), folder=workspace)

    def swap(self, segment: SegmentContext, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Let the subprocess write its records, then apply them to the frames as they come."""
        job = segment.workspace / "job.json"
        job.write_text(
            json.dumps(
                {
                    "source": str(segment.source.path),
                    "info": segment.source.info.model_dump_json(),
                    "range": segment.range.model_dump_json(),
                    "faces": str(segment.analysis.folder / "faces.json"),
                    "seed": segment.options.seed,
                    "tone_map": segment.options.tone_map,
                    "out": str(segment.workspace / "records.npy"),
                }
            )
        )
        with subprocess.Popen(
            [sys.executable, "-m", __name__, str(job)], cwd=ROOT, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                while process.poll() is None:
                    segment.monitor.step(0, 1)
                    try:
                        process.wait(0.05)
                    except subprocess.TimeoutExpired:
                        continue
            finally:
                process.kill()
            if process.returncode:
                last = (process.stderr.read() if process.stderr else "").strip().splitlines()[-1:]
                raise EngineError(f"the tint process failed: {''.join(last)}")
        records = {int(r[0]): r[1:] for r in np.load(segment.workspace / "records.npy")}
        for done, frame in enumerate(frames):
            if frame.pts in records:
                x, y, width, height, u, v = (int(n) for n in records[frame.pts])
                frame.u[y : y + height, x : x + width] = u << (frame.colour.bit_depth - 8)
                frame.v[y : y + height, x : x + width] = v << (frame.colour.bit_depth - 8)
                frame.swapped = True
            yield frame
            segment.monitor.step(done + 1, len(records))


def skin(frame: Frame) -> list[int] | None:
    """The box x, y, width, height, in chroma pixels, of what is coloured like skin."""
    u, v = (plane >> (frame.colour.bit_depth - 8) for plane in (frame.u, frame.v))
    mask = (u < 122) & (v > 138)
    if mask.sum() < LEAST_PX:
        return None
    ys, xs = np.nonzero(mask)
    return [int(xs.min()), int(ys.min()), int(np.ptp(xs)) + 1, int(np.ptp(ys)) + 1]


def main(job_file: str) -> None:
    """Run in the subprocess: one record (pts, box, u, v) for each frame with a face."""
    job = json.loads(Path(job_file).read_text())
    found = json.loads(Path(job["faces"]).read_text())
    info = MediaInfo.model_validate_json(job["info"])
    part = TimeRange.model_validate_json(job["range"])
    jitter = np.random.default_rng(job["seed"]).integers(-8, 9, 2)
    u, v = (int(np.clip(128 + t / 4 + j, 20, 235)) for t, j in zip(reversed(found["tint"]), jitter, strict=True))
    records = [
        (frame.pts, *found["faces"][str(frame.pts)], u, 255 - v)
        for frame in read_frames(Path(job["source"]), info, part, tone_map=job["tone_map"])
        if str(frame.pts) in found["faces"]
    ]
    np.save(job["out"], np.array(records, np.int64).reshape(-1, 7))


ENGINES = (Tint,)

if __name__ == "__main__":
    main(sys.argv[1])

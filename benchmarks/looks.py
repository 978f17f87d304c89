"""What somebody waits for at a page: python -m benchmarks.looks [--rounds 20] [--only idle busy long] [--results F]

Seconds from asking to the answer, polled every 20 ms, through a worker process as it is started by default, on the 30 s
sample with the engine `mesh`. frame: each at another time; alone, and with what a look at the faces found before.
busy: the same while a job swaps all of the sample. again: the same look once more. answer: a poll of an unfinished one.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

from benchmarks.queue import ME, request, spread, staged, surroundings, wait, worker
from benchmarks.stitch import machine
from ugclab.jobs.queue import Queue
from ugclab.media.frames import read_frames
from ugclab.media.probe import probe
from ugclab.sample import CLIP
from ugclab.schema.job import JobState
from ugclab.schema.look import FacesLook, FrameLook, Look, StripLook
from ugclab.settings import Settings

POLL_S = 0.02


class Page:
    """Asks, and waits for answers."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.source, self.avatar = staged(queue)
        self._asked = 0

    def seconds(self, look: Look) -> float:
        begun = time.perf_counter()
        self.answered(self.queue.look(ME, look))
        return time.perf_counter() - begun

    def answered(self, look_id: str) -> Any:
        end = time.monotonic() + 600
        while (answer := self.queue.looks.answer(look_id, ME)) is None:
            assert time.monotonic() < end
            time.sleep(POLL_S)
        return answer

    def frame(self, plan: str) -> FrameLook:
        """A look at a frame nobody has looked at yet; a plan that is not analysed is a look at the frame alone."""
        self._asked += 1
        at = Fraction(self._asked * 397 % 2999, 100)
        return FrameLook(user="ann", project="default", source=self.source, avatar=self.avatar, at=at, plan=plan)

    def faces(self, **more: Any) -> FacesLook:
        return FacesLook(user="ann", project="default", source=self.source, avatar=self.avatar, **more)

    def strip(self, **more: Any) -> StripLook:
        return StripLook(**({"user": "ann", "project": "default", "source": self.source} | more))

    def frames(self, rounds: int, plan: str) -> dict[str, float]:
        return spread([self.seconds(self.frame(plan)) * 1000 for _ in range(rounds)])


@contextmanager
def installation() -> Iterator[Page]:
    """A worker that has just begun, and nothing looked at before."""
    with tempfile.TemporaryDirectory(prefix="ugclab-bench-") as name:
        data = Path(name)
        with worker(data, surroundings(data)), Queue(Settings(data_dir=data)) as queue:
            yield Page(queue)


def bench_idle(rounds: int) -> dict[str, Any]:
    """One after the other, nothing else under way."""
    with installation() as page:
        time.sleep(3)  # a worker has long been there when somebody comes
        first = page.frame("all")
        found: dict[str, Any] = {
            "load": load(),
            "decode_s": decode_s(),
            "first_frame_s": round(page.seconds(first), 2),
            "frame_alone": page.frames(rounds, "all"),
            "again": spread([page.seconds(first) * 1000 for _ in range(rounds)]),
            "strip_s": round(page.seconds(page.strip()), 2),
            "strip_of_30_s": [round(page.seconds(page.strip(count=count)), 2) for count in (47, 46, 45)],
            "faces_s": round(page.seconds(page.faces()), 2),
            "faces_known_s": round(page.seconds(page.faces(page="x", options={"min_swapped": 0.4})), 2),
            "frame_with_faces": page.frames(rounds, "faces"),
        }
        job_id = page.queue.submit(request(page.source, page.avatar, 0)).job_id
        wait(lambda: page.queue.get(job_id, ME).status.terminal, 600)
        assert page.queue.get(job_id, ME).status is JobState.SUCCEEDED
        begun = time.perf_counter()
        page.answered(page.queue.proof(ME, job_id))
        found["proof_s"] = round(time.perf_counter() - begun, 2)
        return found | {"load_after": load(), "decode_after_s": decode_s()}


def bench_busy(rounds: int) -> dict[str, Any]:
    """While a job is swapping; it is submitted again, with another seed, before it ends."""
    with installation() as page:
        page.seconds(page.frame("all"))
        page.seconds(page.faces())
        found: dict[str, Any] = {"frame_alone": [], "frame_with_faces": [], "answer": []}
        for number in range(rounds):
            if not page.queue.list(ME, states=[JobState.RUNNING]):
                whole = request(page.source, page.avatar, number + 1)
                whole = whole.model_copy(update={"input": whole.input.model_copy(update={"plan": "all"})})
                job_id = page.queue.submit(whole).job_id
                wait(lambda job_id=job_id: page.queue.get(job_id, ME).progress.stage == "swap", 120)
            for plan, name in (("all", "frame_alone"), ("faces", "frame_with_faces")):
                found[name].append(page.seconds(page.frame(plan)) * 1000)
            look_id = page.queue.look(ME, page.frame("all"))
            begun = time.perf_counter()
            page.queue.looks.answer(look_id, ME)
            found["answer"].append((time.perf_counter() - begun) * 1000)
            page.answered(look_id)
        strip_s, running = page.seconds(page.strip()), bool(page.queue.list(ME, states=[JobState.RUNNING]))
        return {name: spread(times) for name, times in found.items()} | {
            "strip_s": round(strip_s, 2),
            "job_still_ran": running,
            "load": load(),
            "decode_s": decode_s(),
        }


def bench_long() -> dict[str, Any]:
    """Ten minutes of footage: the sample twenty times, without encoding it again."""
    with tempfile.TemporaryDirectory(prefix="ugclab-bench-") as name, installation() as page:
        import imageio_ffmpeg

        long = Path(name) / "long.mp4"
        words = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-stream_loop", "19", "-i", str(CLIP), "-c", "copy"]
        subprocess.run([*words, str(long)], check=True)
        page.source = page.queue.take_in(ME, "default", long)
        return {
            "decode_s": decode_s(),
            "strip_s": round(page.seconds(page.strip()), 2),
            "faces_sampled_s": round(page.seconds(page.faces()), 2),
            "frame_alone": page.frames(5, "0-5:swap,5-600:keep"),
        }


def decode_s() -> float:
    """What the machine was like: seconds for decoding the sample and nothing else, 1.1 when it is idle."""
    info = probe(CLIP)
    begun = time.perf_counter()
    assert sum(1 for _ in read_frames(CLIP, info, borrow=True)) == info.frames
    return round(time.perf_counter() - begun, 2)


def load() -> float:
    return round(os.getloadavg()[0], 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=("idle", "busy", "long"), default=("idle", "busy", "long"))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--results", type=Path)
    arguments = parser.parse_args()
    report: dict[str, Any] = {}
    if arguments.results and arguments.results.exists():
        report = json.loads(arguments.results.read_text())  # what is not measured again stays
    report |= {"date": date.today().isoformat(), "machine": machine()}
    benches = {
        "idle": lambda: bench_idle(arguments.rounds),
        "busy": lambda: bench_busy(arguments.rounds),
        "long": bench_long,
    }
    for name in arguments.only:
        report[name] = benches[name]()
        print(name, json.dumps(report[name], indent=2), file=sys.stderr)
        if arguments.results:
            arguments.results.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()

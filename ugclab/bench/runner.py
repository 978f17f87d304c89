"""Run scenarios: rounds in which the floor, our pipeline cold and warm, and the peers take turns on one footage."""

import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from ugclab.bench.child import Answer, Job
from ugclab.bench.footage import ENCODER, ffmpeg, make_footage
from ugclab.bench.gpu import PROGRAM, GpuWatch, list_gpus
from ugclab.bench.process import last_line, run_measured
from ugclab.bench.results import START, Benchmark, Machine, Stage, Trial
from ugclab.bench.scenarios import Scenario
from ugclab.engines import registry
from ugclab.errors import Cancelled, EngineCrashed, EngineError
from ugclab.media.probe import probe
from ugclab.pipeline.measure import environment, version
from ugclab.pipeline.plan import DEFAULT_ENGINE, SwapRequest
from ugclab.pipeline.steps import Progress
from ugclab.sample import AVATAR, CLIP
from ugclab.schema.media import MediaInfo
from ugclab.settings import Settings
from ugclab.weights import hub

CHILD = (sys.executable, "-m", "ugclab.bench.child")
_WARM_UP_PLAN = "0-1:swap"


def run_scenarios(
    scenarios: Sequence[Scenario],
    settings: Settings,
    *,
    engine: str = DEFAULT_ENGINE,
    repeat: int | None = None,
    nvidia_smi: str = PROGRAM,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    on_scenario: Callable[[Benchmark], None] = lambda so_far: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Benchmark:
    """Measure each scenario `repeat` times (or as often as it says itself). Raises EngineError, MediaError, Cancelled.

    `on_scenario` is given what was measured so far after each of them, so that a later fault loses nothing.

    Model files are fetched beforehand, footage made and kept below the data folder: neither is measured.
    """
    kind = registry.find(engine)
    registry.require(kind, settings)
    hub.ensure(kind.info.weights, settings.weights_dir, offline=settings.offline, mirror=settings.weights_mirror)
    result = Benchmark(
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        ugclab_version=version(),
        commit=find_commit(),
        usd_per_hour=settings.usd_per_hour,
        machine=describe_machine(nvidia_smi),
        engine=kind.info,
    )
    for scenario in scenarios:
        on_progress(Progress(f"{scenario.name}: footage", None, 0, 0))
        source = make_footage(scenario.footage, settings.data_dir.expanduser() / "bench")
        rounds, trials = repeat or scenario.repeat, list(result.trials)
        with tempfile.TemporaryDirectory(prefix="ugclab-bench-") as name, GpuWatch(nvidia_smi) as watch:
            bench = _Bench(scenario, source, probe(source), engine, settings, Path(name), watch, cancelled)
            with bench.resident() as ask:
                for number in range(rounds):
                    for what, trial in bench.round(number, ask):
                        on_progress(Progress(f"{scenario.name}: {what}", None, number, rounds))
                        trials.append(trial())
        result = result.model_copy(update={"scenarios": (*result.scenarios, scenario), "trials": tuple(trials)})
        on_scenario(result)
    return result


Ask = Callable[[Job], Answer]
Way = Literal["ugclab", "images"]


@dataclass(frozen=True, slots=True)
class _Bench:
    """One scenario's trials."""

    scenario: Scenario
    source: Path
    info: MediaInfo
    engine: str
    settings: Settings
    work: Path
    watch: GpuWatch
    cancelled: Callable[[], bool]

    def round(self, number: int, ask: Ask) -> Iterator[tuple[str, Callable[[], Trial]]]:
        """The trials of one round, by name, in the order in which they are to run."""
        if "transcode" in self.scenario.peers:
            yield "transcode", lambda: self.transcode(number)
        yield "cold", lambda: self.cold("ugclab", number)
        yield "warm", lambda: self.warm(number, ask)
        if "images" in self.scenario.peers:
            yield "frame by frame", lambda: self.cold("images", number)

    def transcode(self, number: int) -> Trial:
        """FFmpeg's own decoding and encoding of the whole footage: the floor, and how fast the machine is just now."""
        out = self.work / "transcode.mp4"
        words = ("-nostdin", "-v", "error", "-y", "-i", str(self.source), *ENCODER, "-c:a", "copy", str(out))
        ended = run_measured((ffmpeg(), *words), cancelled=self.cancelled)
        out.unlink()
        return self._trial(
            "transcode", "cold", number, wall_s=ended.wall_s, cpu_s=ended.cpu_s, peak_rss_mb=ended.peak_rss_mb
        )

    def cold(self, route: Way, number: int) -> Trial:
        """A fresh process with a fresh data folder, from its start to its end."""
        job = self.work / "job.json"
        job.write_text(self._job(route).model_dump_json())
        begun = time.monotonic()
        ended = run_measured((*CHILD, str(job)), cancelled=self.cancelled)
        answer = _checked(Answer.model_validate_json(ended.output))
        rest = ended.wall_s - sum(m.wall_s for m in answer.measurements)
        start = Stage(
            step=START,
            wall_s=max(rest, 0.0),
            cpu_s=max(ended.cpu_s - sum(m.cpu_s for m in answer.measurements), 0.0),
        )
        return self._trial(
            route, "cold", number, (start, *self._stages(answer)), answer,
            wall_s=ended.wall_s, cpu_s=ended.cpu_s, peak_rss_mb=ended.peak_rss_mb,
            **self._gpu(begun, time.monotonic()),
        )  # fmt: skip

    def warm(self, number: int, ask: Ask) -> Trial:
        """The same with a resident engine, and a fresh data folder nevertheless."""
        begun = time.monotonic()
        answer = _checked(ask(self._job("ugclab")))
        rest = answer.wall_s - sum(m.wall_s for m in answer.measurements)
        between = Stage(
            step=START,
            wall_s=max(rest, 0.0),
            cpu_s=max(answer.cpu_s - sum(m.cpu_s for m in answer.measurements), 0.0),
        )
        return self._trial(
            "ugclab", "warm", number, (between, *self._stages(answer)), answer,
            wall_s=answer.wall_s, cpu_s=answer.cpu_s, peak_rss_mb=max(m.peak_rss_mb for m in answer.measurements),
            **self._gpu(begun, answer.ended),
        )  # fmt: skip

    @contextmanager
    def resident(self) -> Iterator[Ask]:
        """A process whose engine is loaded and has swapped a second of the sample before it is measured."""
        with (
            tempfile.TemporaryFile() as errors,
            subprocess.Popen(CHILD, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors) as process,
        ):

            def ask(job: Job) -> Answer:
                if self.cancelled():
                    raise Cancelled("cancelled")
                assert process.stdin is not None  # noqa: S101 a pipe was asked for
                assert process.stdout is not None  # noqa: S101
                try:
                    process.stdin.write(job.model_dump_json().encode() + b"\n")
                    process.stdin.flush()
                    line = process.stdout.readline()
                except BrokenPipeError:
                    line = b""
                if not line:
                    errors.seek(0)
                    raise EngineCrashed(f"the resident process died: {last_line(errors.read())}")
                return Answer.model_validate_json(line)

            try:
                warm_up = SwapRequest(
                    source=CLIP, avatar=AVATAR, out=self.work / "warm-up.mp4", plan=_WARM_UP_PLAN, engine=self.engine
                )
                _checked(ask(self._job("ugclab").model_copy(update={"request": warm_up})))
                yield ask
            finally:
                process.kill()

    def _job(self, route: Way) -> Job:
        request = SwapRequest(
            source=self.source, avatar=AVATAR, out=self.work / "out.mp4", plan=self.scenario.plan, engine=self.engine
        )
        settings = self.settings.model_dump(mode="json", exclude={"webhook_secret", "remote_key", "data_dir"})
        return Job(route=route, request=request, settings=settings, work=self.work)

    def _stages(self, answer: Answer) -> Iterator[Stage]:
        """The steps, each with what the GPUs did from its mark to the next one's."""
        marks = [*((m.at, m.step, m.segment) for m in answer.marks), (answer.ended, "", None)]
        for done in answer.measurements:
            spans = [
                (at, then[0])
                for (at, step, segment), then in pairwise(marks)
                if (step, segment) == (done.step, done.segment)
            ]
            seen = self._gpu(min(a for a, _ in spans), max(b for _, b in spans)) if spans else {}
            yield Stage(
                **done.model_dump(include={"step", "segment", "wall_s", "cpu_s", "peak_rss_mb", "media_s", "frames"}),
                **seen,
            )

    def _gpu(self, start: float, end: float) -> dict[str, Any]:
        return {
            "peak_vram_mb": self.watch.peak_memory_mb(start, end),
            "gpu_percent": self.watch.mean_percent(start, end),
        }

    def _trial(
        self,
        route: Literal["ugclab", "transcode", "images"],
        start: Literal["cold", "warm"],
        number: int,
        stages: Sequence[Stage] = (),
        answer: Answer | None = None,
        **figures: Any,
    ) -> Trial:
        return Trial(
            scenario=self.scenario.name,
            route=route,
            start=start,
            engine=self.engine if answer else "",
            round=number,
            frames=self.info.frames,
            media_s=self.info.duration,
            swapped_segments=answer.swapped_segments if answer else 0,
            swapped_frames=answer.swapped_frames if answer else 0,
            stages=tuple(stages),
            **figures,
        )


def _checked(answer: Answer) -> Answer:
    if answer.error:
        raise EngineError(answer.error)
    return answer


def describe_machine(nvidia_smi: str = PROGRAM) -> Machine:
    """This machine: processor, memory, GPUs with their driver, and the programs that decide speed."""
    said = subprocess.run([ffmpeg(), "-version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"ffmpeg version (\S+)", said)
    here = environment()
    return Machine(
        environment=here.model_copy(update={"platform": f"{platform.system()} {platform.release()}"}),
        gpus=list_gpus(nvidia_smi),
        ffmpeg=found[1] if found else "",
        load=round(os.getloadavg()[0], 2),
    )


def find_commit() -> str:
    """The commit this package was checked out at, with + where files differ from it; empty outside a checkout."""
    root = Path(__file__).parents[2]

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        if not git("ls-files", "ugclab/bench/runner.py"):
            return ""
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--", "ugclab") else "")
    except OSError:
        return ""

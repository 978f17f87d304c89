"""Measures this machine's constants of the embedded engine: whole runs on footage made of the sample, cold, each in a
process of its own; what they took by step decides the constants of `mesh_model`.

Other work on the machine only ever adds, so of several rounds the quickest counts.
"""

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from ugclab.bench.calibration import Constant
from ugclab.bench.child import Answer, Job
from ugclab.bench.footage import run_ffmpeg
from ugclab.bench.mesh_model import Amounts, Cost, Pictures, Stitching, overlap, read_stitching, solve, steps_of
from ugclab.bench.process import run_measured
from ugclab.bench.runner import CHILD
from ugclab.bench.setting import MESH
from ugclab.engines import registry
from ugclab.errors import EngineError
from ugclab.media.frames import read_frames
from ugclab.media.output import whole_file
from ugclab.media.probe import probe
from ugclab.pipeline.plan import SwapRequest
from ugclab.pipeline.steps import Progress
from ugclab.sample import AVATAR, CLIP
from ugclab.schema.base import Frozen
from ugclab.schema.media import MediaInfo, TimeRange
from ugclab.schema.plan import SegmentPlan
from ugclab.settings import Settings
from ugclab.storage.artefacts import canonical_key
from ugclab.storage.store import file_sha256
from ugclab.weights import hub

ALL, BEGINNING, MIDDLE = "all", "0-2:swap,2-end:keep", "0-1:keep,1-3:swap,3-end:keep"


class Clip(Frozen):
    """Footage to calibrate by: the sample's middle at a size; grain and quality set what a frame's bits come to."""

    width: int
    height: int
    seconds: int
    crf: int = 23
    grain: int = 0
    keyframe_every: int = 250
    plans: tuple[str, ...] = (ALL, BEGINNING, MIDDLE)


CLIPS = (
    Clip(width=480, height=480, seconds=8, crf=30),
    Clip(width=512, height=512, seconds=5, crf=18, grain=12),
    Clip(width=720, height=720, seconds=6, crf=20, grain=4),
    Clip(width=1280, height=720, seconds=10, keyframe_every=100),
    Clip(width=1920, height=1080, seconds=5, crf=26),
    Clip(width=1080, height=1920, seconds=4, crf=20, grain=5, plans=(ALL, MIDDLE)),
    Clip(width=480, height=480, seconds=300, crf=30, plans=(BEGINNING, "0-150:keep,150-153:swap,153-end:keep")),
)
"""Small and large, clean and grainy, short and long, whole and in part."""


def make_clip(clip: Clip, cache: Path) -> Path:
    """The file, made below `cache` if it is not there. Raises MediaError."""
    made_of = clip.model_dump(exclude={"plans"})
    path = cache / f"calibrate-{canonical_key({'sample': file_sha256(CLIP), **made_of})[:16]}.mp4"
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = f"{clip.width}/{clip.height}"
    picture = f"crop='min(iw,ih*{shape})':'min(ih,iw*{shape})',scale={clip.width}:{clip.height}:flags=lanczos"
    picture += f",noise=alls={clip.grain}:allf=t" if clip.grain else ""
    with whole_file(path) as part:
        run_ffmpeg(
            "-stream_loop", "-1", "-i", str(CLIP), "-t", str(clip.seconds), "-vf", f"{picture},setsar=1",
            "-c:v", "libx264", "-preset", "veryfast", "-crf", str(clip.crf), "-g", str(clip.keyframe_every),
            "-pix_fmt", "yuv420p", "-c:a", "copy", "-map_metadata", "-1", str(part),
        )  # fmt: skip
    return path


class Timed(Frozen):
    """What one run took: from starting Python to the finished file, and by step and segment."""

    whole: Cost
    steps: Mapping[tuple[str, int | None], Cost]

    def of(self, step: str) -> Cost:
        """A step, all its segments."""
        parts = [cost for (name, _), cost in self.steps.items() if name == step]
        return Cost(wall_s=sum(p.wall_s for p in parts), cpu_s=sum(p.cpu_s for p in parts))


def time_run(
    source: Path, avatar: Path, plan: str, settings: Settings, *, cancelled: Callable[[], bool] = lambda: False
) -> Timed:
    """Do one job in a fresh process with a fresh data folder. Raises EngineError with what was wrong."""
    with tempfile.TemporaryDirectory(prefix="ugclab-bench-") as name:
        work = Path(name)
        request = SwapRequest(source=source, avatar=avatar, out=work / "out.mp4", plan=plan, engine=MESH)
        given = settings.model_dump(mode="json", exclude={"webhook_secret", "remote_key", "data_dir"})
        job = Job(route="ugclab", request=request, settings=given, work=work)
        (work / "job.json").write_text(job.model_dump_json())
        ended = run_measured((*CHILD, str(work / "job.json")), cancelled=cancelled)
    answer = Answer.model_validate_json(ended.output)
    if answer.error:
        raise EngineError(answer.error)
    steps = {(m.step, m.segment): Cost(wall_s=m.wall_s, cpu_s=m.cpu_s) for m in answer.measurements}
    return Timed(whole=Cost(wall_s=ended.wall_s, cpu_s=ended.cpu_s), steps=steps)


def quickest(runs: Sequence[Timed]) -> Timed:
    """Of each step, and of the whole, the least wall and the least processor time."""

    def least(costs: Sequence[Cost]) -> Cost:
        return Cost(wall_s=min(c.wall_s for c in costs), cpu_s=min(c.cpu_s for c in costs))

    steps = {key: least([run.steps[key] for run in runs]) for key in runs[0].steps}
    return Timed(whole=least([run.whole for run in runs]), steps=steps)


def lead_cost(path: Path, info: MediaInfo, *, rounds: int) -> tuple[int, Cost]:
    """Frames before the last one of the first group of pictures, and what it takes to get past them."""
    every = min(info.frames, int(info.gop.longest_s * info.frame_rate))
    last = TimeRange(start=(every - 1) / info.frame_rate, end=info.duration)
    found = []
    for _ in range(rounds):
        wall, cpu = time.perf_counter(), time.process_time()
        next(iter(read_frames(path, info, last)))
        found.append(Cost(wall_s=time.perf_counter() - wall, cpu_s=time.process_time() - cpu))
    return every - 1, min(found, key=lambda cost: cost.cpu_s)


Row = tuple[Amounts, Cost]


def rows_of(info: MediaInfo, plan: SegmentPlan, work: Stitching, timed: Timed) -> Iterator[tuple[str, Row]]:
    """Amounts and costs of each step of a run, by the step's name."""
    asked = steps_of(info, plan, work)
    done = [timed.of(step) for step in ("analyse", "swap", "stitch")]
    rest = Cost(
        wall_s=timed.whole.wall_s - sum(c.wall_s for c in done), cpu_s=timed.whole.cpu_s - sum(c.cpu_s for c in done)
    )
    yield "start", (asked.start, rest)
    seen: Counter[str] = Counter(asked.avatar)
    for amounts in asked.analyse:
        seen.update(amounts)  # Counter adds
    yield "analyse", (seen, done[0])
    for segment, amounts in zip(plan.swaps, asked.swap, strict=True):
        yield "swap", (amounts, timed.steps["swap", segment.index])
    yield "stitch", (asked.stitch, done[2])


class Case(Frozen):
    """Something to time."""

    source: Path
    avatar: Path
    words: str
    info: MediaInfo
    plan: SegmentPlan
    work: Stitching

    @classmethod
    def of(cls, source: Path, avatar: Path, words: str) -> "Case":
        """A file under a plan. Raises MediaError, PlanError."""
        info = probe(source)
        plan = SegmentPlan.parse(words, info.duration, info.frame_rate)
        return cls(
            source=source, avatar=avatar, words=words, info=info, plan=plan, work=read_stitching(source, info, plan)
        )


def time_cases(
    cases: Sequence[Case],
    settings: Settings,
    *,
    rounds: int,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> list[Timed]:
    """Time all of them `rounds` times, in turns, so that a busy minute falls on all alike; of each the quickest."""
    runs: list[list[Timed]] = [[] for _ in cases]
    for number in range(rounds):
        for place, case in enumerate(cases):
            what = f"mesh: {case.info.width}x{case.info.height}, {float(case.info.duration):.0f} s"
            on_progress(Progress(what, None, number * len(cases) + place, rounds * len(cases)))
            runs[place].append(time_run(case.source, case.avatar, case.words, settings, cancelled=cancelled))
    return [quickest(timed) for timed in runs]


def calibration_cases(
    settings: Settings,
    clips: Sequence[Clip] = CLIPS,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> list[Case]:
    """The footage to calibrate by, made where it is not there, and the model files. Raises EngineError, MediaError."""
    kind = registry.find(MESH)
    registry.require(kind, settings)
    hub.ensure(kind.info.weights, settings.weights_dir, offline=settings.offline, mirror=settings.weights_mirror)
    cases = []
    for number, clip in enumerate(clips):
        on_progress(Progress(f"mesh: footage {clip.width}x{clip.height}", None, number, len(clips)))
        source = make_clip(clip, settings.data_dir.expanduser() / "bench")
        cases += [Case.of(source, AVATAR, words) for words in clip.plans]
    return cases


def decide(cases: Sequence[Case], timed: Sequence[Timed], *, rounds: int) -> dict[str, Constant]:
    """The constants that explain what the cases took. Raises InputError where they are too few."""
    rows: dict[str, list[Row]] = {step: [] for step in ("lead", "start", "analyse", "swap", "stitch")}
    for path, info in {case.source: case.info for case in cases}.items():
        frames, cost = lead_cost(path, info, rounds=rounds)
        rows["lead"].append((Pictures.of(info).lead(frames), cost))
    for case, run in zip(cases, timed, strict=True):
        for step, row in rows_of(case.info, case.plan, case.work, run):
            rows[step].append(row)
    found: dict[str, float] = {}
    for step, measured in rows.items():  # how footage is decoded on the way to a segment comes first: others contain it
        found |= solve([(amounts, cost.cpu_s) for amounts, cost in measured], found)
        if step != "lead":
            found[f"mesh.{step}_cores"] = overlap(measured, found)
    about = f"{len(cases)} runs on footage made of the sample, the quickest of {rounds} rounds"
    units = {name: "cores" if name.endswith("_cores") else "s" for name in found}
    return {
        name: Constant(value=float(f"{value:.4g}"), unit=units[name], provenance="measured", source=about)
        for name, value in sorted(found.items())
    }


def measure(
    settings: Settings,
    *,
    clips: Sequence[Clip] = CLIPS,
    rounds: int = 2,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> dict[str, Constant]:
    """The constants of this machine, each measured. Raises EngineError, MediaError, InputError, Cancelled."""
    cases = calibration_cases(settings, clips, on_progress)
    timed = time_cases(cases, settings, rounds=rounds, on_progress=on_progress, cancelled=cancelled)
    return decide(cases, timed, rounds=rounds)

"""What a swap costs beside its floor: the same frames decoded and encoded through the same stages without an engine.

    python -m benchmarks.swap [--seconds 5] [--rounds 3] [--lengths 10 60 600] [--name swap]

Floor, analysis and swap take turns, each in a process of its own, and the medians of all rounds are compared: a busy
machine slows all three, so ratios hold where times do not. CPU is that of all threads of the process, from the first
frame's decoding to the finished file; loading Python and the models is left out. `--lengths` runs whole jobs instead,
by `ugclab.pipeline.run`, on footage made longer by copying packets: their memory must not grow with it.
Exit code 1 says that a target was missed.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.stitch import ffmpeg, machine, measured
from ugclab.engines.base import Analysis, FaceEngine, Image, Monitor, SegmentContext, Source
from ugclab.engines.mesh.avatar import prepare
from ugclab.engines.mesh.detector import Detector
from ugclab.engines.mesh.engine import MeshSwap
from ugclab.engines.mesh.following import DETECTOR, LANDMARKS
from ugclab.engines.mesh.landmarks import Landmarker
from ugclab.engines.mesh.records import Records
from ugclab.media.encode import EncodeTarget, encode_segment
from ugclab.media.frames import Frame, read_frames, stage
from ugclab.media.images import read_image
from ugclab.media.modes import plan_stitch
from ugclab.media.probe import probe
from ugclab.pipeline.plan import SwapRequest
from ugclab.pipeline.run import run
from ugclab.sample import AVATAR, CLIP
from ugclab.schema.job import SwapOptions
from ugclab.schema.media import TimeRange
from ugclab.schema.plan import FITTED, SegmentPlan
from ugclab.settings import Settings
from ugclab.weights import hub

ADDED_CPU_MS = 11.0
"""A frame at most, for a face of FACE_PX: analysis and swap together."""
FACE_PX = (250, 300)
WHOLE_OVER_FLOOR = 2.3
PEAK_RSS_MB = 400
FLAT = 1.10
"""The longest footage's peak memory over the shortest's, at most."""
MOST_SWAPPED_S = 60
"""Seconds of the longest footage that are swapped where a plan swaps more than its default does."""
SWAP_OPTIONS = SwapOptions()


@dataclass(frozen=True, slots=True)
class Costs:
    """What one clip's swap costs; medians of the rounds."""

    clip: str
    face_px: float
    floor_cpu_ms: float
    """CPU of decoding and encoding one frame."""
    analyse_cpu_ms: float
    """CPU of analysing one frame, its decoding and the avatar's share included."""
    swap_cpu_ms: float
    """CPU of decoding, swapping and encoding one frame."""
    added_cpu_ms: float
    """Analysis and swap less the floor."""
    added_cpu_ms_long: float
    """The same without the avatar's share: what it comes to in long footage."""
    whole_over_floor: float
    avatar_cpu_ms: float
    """CPU of preparing the avatar, once a job: part of the analysis above."""
    floor_fps: float
    analyse_fps: float
    swap_fps: float
    """Wall frames a second."""
    floor_rss_mb: float
    analyse_rss_mb: float
    swap_rss_mb: float
    """Peak resident memory, the largest of the rounds."""


# Jobs: each runs in a process of its own and prints its figures.


def open_source(path: Path, seconds: int) -> tuple[Source, TimeRange, EncodeTarget]:
    """The footage, what is swapped of it, and the target its pipeline would encode to."""
    info = probe(path)
    plan = SegmentPlan.parse(f"0-{seconds}:swap", info.duration, info.frame_rate)
    return Source(path, info), plan.swaps[0].range, plan_stitch(path, info, plan).target


def through_stages(
    source: Source, span: TimeRange, target: EncodeTarget, out: Path, context: SegmentContext | None, engine: FaceEngine
) -> int:
    """Decode, swap if there is a context, and encode, as the pipeline overlaps them; returns the frames."""
    decoded = stage(read_frames(source.path, source.info, span), name="decode")

    def passed_on() -> Iterator[Frame]:
        yield from decoded

    frames: Iterable[Frame] = passed_on() if context is None else engine.swap(context, decoded)
    with closing(stage(frames, name="swap")) as swapped:
        return encode_segment(swapped, target, out).frames


def do(job: str, clip: Path, seconds: int, folder: Path) -> dict[str, float]:
    """One measured job. `analyse` leaves in `folder` what `swap` needs."""
    source, span, target = open_source(clip, seconds)
    avatar, engine, kept = read_image(AVATAR), MeshSwap(), folder / "analysis.json"
    figures: dict[str, float] = {}
    context = None
    if job != "floor":
        weights = hub_folder()
        engine.setup(weights)
        figures["avatar_cpu_ms"] = avatar_cpu_ms(avatar, weights)
    if job == "swap":
        analysis = Analysis.model_validate_json(kept.read_text())
        context = SegmentContext(source, span, avatar, analysis, SWAP_OPTIONS, folder)
        records = Records(analysis.folder)
        figures["face_px"] = float(np.median(records.index["size"]))
    cpu, wall = time.process_time(), time.perf_counter()
    if job == "analyse":
        workspace = Path(tempfile.mkdtemp(dir=folder))
        analysis = engine.analyse(source, [span], avatar, SWAP_OPTIONS, workspace, Monitor())
        frames = analysis.ranges[0].frames
    else:
        frames = through_stages(source, span, target, folder / f"{job}.mp4", context, engine)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    if job == "analyse":
        kept.write_text(analysis.model_dump_json())
    return figures | {"frames": frames, "cpu_ms": cpu * 1000 / frames, "fps": frames / wall}


def avatar_cpu_ms(avatar: Image, weights: Path) -> float:
    """CPU of preparing the avatar, with models of its own: the engine's process would not hold them twice."""
    models = Detector(weights / DETECTOR), Landmarker(weights / LANDMARKS)
    cpu = time.process_time()
    prepare(avatar, *models)
    return (time.process_time() - cpu) * 1000


def do_whole(clip: Path, plan: str, folder: Path) -> dict[str, float]:
    """A whole job, its artefacts in `folder`: a second run there finds them."""
    settings = Settings(data_dir=folder / "data")
    report = run(SwapRequest(source=clip, avatar=AVATAR, out=folder / "out.mp4", plan=plan), settings)
    swapped = sum(outcome.swapped_frames for outcome in report.outcomes)
    steps = {f"{m.step}_s": round(m.wall_s, 2) for m in report.measurements if m.segment in (None, 0)}
    return {"frames": report.media.frames, "swapped_frames": swapped, **steps}


def hub_folder() -> Path:
    """Where the model files are, fetched if they are not."""
    settings = Settings()
    hub.ensure(MeshSwap.info.weights, settings.weights_dir, offline=settings.offline, mirror=settings.weights_mirror)
    return settings.weights_dir


# Comparing them.


def own_process(*job: object) -> dict[str, Any]:
    """Run a job of this module elsewhere; its figures with the process's own."""
    return measured([sys.executable, "-m", "benchmarks.swap", "--one", *map(str, job)])


def compare(name: str, clip: Path, seconds: int, rounds: int, folder: Path) -> Costs:
    """Let floor, analysis and swap take turns on a clip."""
    turns: dict[str, list[dict[str, Any]]] = {"floor": [], "analyse": [], "swap": []}
    for _ in range(rounds):
        for job, made in turns.items():
            made.append(own_process(job, clip, seconds, folder))

    def middle(job: str, figure: str) -> float:
        return statistics.median(float(made[figure]) for made in turns[job])

    def peak(job: str) -> float:
        return max(float(made["peak_rss_mb"]) for made in turns[job])

    floor, analyse, swap = (middle(job, "cpu_ms") for job in turns)
    avatar_ms, frames = middle("swap", "avatar_cpu_ms"), middle("swap", "frames")
    return Costs(
        clip=name,
        face_px=middle("swap", "face_px"),
        floor_cpu_ms=floor,
        analyse_cpu_ms=analyse,
        swap_cpu_ms=swap,
        added_cpu_ms=analyse + swap - floor,
        added_cpu_ms_long=analyse + swap - floor - avatar_ms / frames,
        whole_over_floor=(analyse + swap) / floor,
        avatar_cpu_ms=avatar_ms,
        floor_fps=middle("floor", "fps"),
        analyse_fps=middle("analyse", "fps"),
        swap_fps=middle("swap", "fps"),
        floor_rss_mb=peak("floor"),
        analyse_rss_mb=peak("analyse"),
        swap_rss_mb=peak("swap"),
    )


def whole_runs(lengths: Sequence[int], folder: Path) -> list[dict[str, Any]]:
    """Whole jobs by length: the default plan cold and warm, and much swapped of the longest."""
    rows = []
    for length in lengths:
        clip = make_longer(folder / f"{length}s.mp4", length)
        plans = {"default": FITTED}
        if length == max(lengths):
            swapped = min(length, MOST_SWAPPED_S)
            plans[f"first {swapped} s"] = f"0-{swapped}:swap"
        for title, plan in plans.items():
            with tempfile.TemporaryDirectory(dir=folder) as work:
                for store in ("cold", "warm"):
                    rows.append(
                        {"length_s": length, "plan": title, "store": store} | own_process("run", clip, plan, work)
                    )
                    print(json.dumps(rows[-1]), flush=True)
    return rows


def make_longer(path: Path, seconds: int) -> Path:
    """The sample, again and again, its packets copied."""
    subprocess.run(
        [ffmpeg(), "-v", "error", "-y", "-stream_loop", "-1", "-i", str(CLIP), "-t", str(seconds), "-c", "copy",
         str(path)],
        check=True,
    )  # fmt: skip
    return path


def make_larger(path: Path, seconds: int) -> Path:
    """The sample's beginning at 1080p."""
    subprocess.run(
        [ffmpeg(), "-v", "error", "-y", "-i", str(CLIP), "-t", str(seconds), "-vf", "scale=1920:1080:flags=lanczos",
         "-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-c:a", "copy", str(path)],
        check=True,
    )  # fmt: skip
    return path


# Telling it.


def verdicts(costs: Sequence[Costs], runs: Sequence[dict[str, Any]]) -> list[tuple[str, str, bool]]:
    """(Target, value, met) of everything that was measured."""
    told = []
    for cost in costs:
        size = f"{cost.clip}, face {cost.face_px:.0f} px"
        if cost.face_px <= FACE_PX[1]:
            told.append(
                (f"added CPU <= {ADDED_CPU_MS:g} ms a frame ({size})", f"{cost.added_cpu_ms:.1f} ms",
                 cost.added_cpu_ms <= ADDED_CPU_MS)
            )  # fmt: skip
        told.append(
            (f"whole CPU <= {WHOLE_OVER_FLOOR} floors ({size})", f"{cost.whole_over_floor:.2f}",
             cost.whole_over_floor <= WHOLE_OVER_FLOOR)
        )  # fmt: skip
        peak = max(cost.analyse_rss_mb, cost.swap_rss_mb)
        told.append((f"peak RSS <= {PEAK_RSS_MB} MB ({cost.clip})", f"{peak:.0f} MB", peak <= PEAK_RSS_MB))
    cold = [row for row in runs if row["store"] == "cold" and row["plan"] == "default"]
    if len(cold) > 1:
        peaks = [row["peak_rss_mb"] for row in cold]
        span = f"{cold[0]['length_s']} s to {cold[-1]['length_s']} s"
        told.append(
            (f"peak RSS flat within {FLAT - 1:.0%} ({span})", f"{peaks[-1] / peaks[0]:.2f} times",
             peaks[-1] <= FLAT * peaks[0])
        )  # fmt: skip
    told += [
        (f"peak RSS <= {PEAK_RSS_MB} MB ({row['length_s']} s, plan {row['plan']})", f"{row['peak_rss_mb']} MB",
         row["peak_rss_mb"] <= PEAK_RSS_MB)
        for row in runs if row["store"] == "cold"
    ]  # fmt: skip
    return told


def to_markdown(document: dict[str, Any]) -> str:
    """The same figures to read."""
    described = ", ".join(f"{key} {value}" for key, value in document["machine"].items())
    lines = [f"# Cost of a swap\n\n{document['date']}; {described}\n"]
    for cost in document["costs"]:
        lines += [
            f"\n## {cost['clip']}, {document['seconds']} s, median of {document['rounds']}\n",
            "| | |",
            "|---|---|",
        ]
        lines += [f"| {key} | {value:.1f} |" for key, value in cost.items() if key not in ("clip", "whole_over_floor")]
        lines.append(f"| whole_over_floor | {cost['whole_over_floor']:.2f} |")
    if document["runs"]:
        lines += ["\n## Whole jobs, from starting Python to the finished file\n"]
        lines += ["| length | plan | store | wall | CPU | peak RSS | frames swapped |", "|---|---|---|---|---|---|---|"]
        lines += [
            f"| {row['length_s']} s | {row['plan']} | {row['store']} | {row['wall_s']:.1f} s | {row['cpu_s']:.1f} s "
            f"| {row['peak_rss_mb']} MB | {row['swapped_frames']} |"
            for row in document["runs"]
        ]
    lines += ["\n## Targets\n", "| target | value | met |", "|---|---|---|"]
    lines += [f"| {t['target']} | {t['value']} | {'yes' if t['met'] else '**no**'} |" for t in document["targets"]]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=5, help="of each clip that are swapped (5)")
    parser.add_argument(
        "--rounds", type=int, default=3, help="turns of floor, analysis and swap (3); 0 leaves them out"
    )
    parser.add_argument("--lengths", type=int, nargs="+", default=[], help="seconds of footage of whole jobs")
    parser.add_argument("--name", help="write benchmarks/results/NAME.json and .md")
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        job, clip, setting, folder = arguments.one
        paths = Path(clip), Path(folder)
        figures = do_whole(paths[0], setting, paths[1]) if job == "run" else do(job, paths[0], int(setting), paths[1])
        print(json.dumps(figures))
        return 0
    described = machine()
    with tempfile.TemporaryDirectory(prefix="ugclab-bench-") as name:
        folder = Path(name)
        costs = []
        if arguments.rounds:
            clips = {"720p": CLIP, "1080p": make_larger(folder / "1080p.mp4", arguments.seconds)}
            for title, clip in clips.items():
                costs.append(compare(title, clip, arguments.seconds, arguments.rounds, folder))
                print(json.dumps(asdict(costs[-1])), flush=True)
        runs = whole_runs(sorted(arguments.lengths), folder)
    told = verdicts(costs, runs)
    document: dict[str, Any] = {
        "schema_version": 1,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": described,
        "seconds": arguments.seconds,
        "rounds": arguments.rounds,
        "costs": [asdict(cost) for cost in costs],
        "runs": runs,
        "targets": [{"target": target, "value": value, "met": met} for target, value, met in told],
    }
    table = to_markdown(document)
    print(table)
    if arguments.name:
        results = Path(__file__).parent / "results"
        results.mkdir(exist_ok=True)
        (results / f"{arguments.name}.json").write_text(json.dumps(document, indent=2) + "\n")
        (results / f"{arguments.name}.md").write_text(table)
    return 0 if all(met for _, _, met in told) else 1


if __name__ == "__main__":
    sys.exit(main())

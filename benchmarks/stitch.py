"""What stitching costs beside a plain transcode of the same file, and what it does to the untouched frames.

    python -m benchmarks.stitch [--seconds 30] [--results benchmarks/results/stitch.json]

A 1280x720, 30 fps, H.264 and AAC file is made, once with a keyframe in 250 frames and none at scene cuts (the worst
case for bridges), once with one a second (so the boundaries fall on them). 0-5 s and 15-20 s are swapped by an engine
that passes frames on, so all that is measured is ours. Each variant is a process of its own: its figures include
starting Python. Ratios are against ffmpeg's transcode with the same encoder settings, in the same run.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import date
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import numpy as np

from ugclab.bench.process import run_measured
from ugclab.media.bridges import made_bridges, read_segment
from ugclab.media.encode import encode_segment
from ugclab.media.frames import Frame, read_frames, stage
from ugclab.media.modes import plan_stitch
from ugclab.media.prepare import prepare
from ugclab.media.probe import probe
from ugclab.media.stitch import stitch
from ugclab.schema.job import StitchMode
from ugclab.schema.media import TimeRange
from ugclab.schema.plan import Action, Segment, SegmentPlan

ENCODER = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "18")


@cache
def ffmpeg() -> str:
    """The peer's program. Looked up only where it is run: finding it starts it, which is none of our job's cost."""
    return imageio_ffmpeg.get_ffmpeg_exe()


def plan() -> SegmentPlan:
    bounds = ((0, 5, Action.SWAP), (5, 15, Action.KEEP), (15, 20, Action.SWAP), (20, 30, Action.KEEP))
    return SegmentPlan(
        segments=tuple(
            Segment(index=i, range=TimeRange(start=a, end=b), action=action) for i, (a, b, action) in enumerate(bounds)
        )
    )


def make_source(path: Path, seconds: int, gop: int) -> None:
    """Moving test pictures with grain, so that they cost about as much as camera footage (5 Mbit/s)."""
    subprocess.run(
        [ffmpeg(), "-v", "error", "-y",
         "-f", "lavfi", "-i", f"testsrc2=s=1280x720:r=30:d={seconds},noise=alls=4:allf=t",
         "-f", "lavfi", "-i", f"sine=440:d={seconds}:r=48000", "-c:v", "libx264", "-preset", "medium", "-crf", "23",
         "-pix_fmt", "yuv420p", "-g", str(gop), "-sc_threshold", "0", "-c:a", "aac", "-shortest", str(path)],
        check=True,
    )  # fmt: skip


def run_ours(mode: StitchMode, source: Path, folder: Path) -> dict[str, Any]:
    """One job: probe, swap with identity frames, stitch. Runs in a process of its own."""
    info = probe(source)
    stitch_plan = plan_stitch(source, info, plan(), mode=mode)
    files = {}
    for segment in plan().swaps:
        files[segment.index] = folder / f"{mode}-{segment.index}.mp4"
        frames: Iterator[Frame] = stage(read_segment(stitch_plan, segment.index, folder), name="decode")
        encode_segment(frames, stitch_plan.target, files[segment.index])
    bridges = made_bridges(stitch_plan, [folder])
    result = stitch(stitch_plan, files, folder / f"{mode}.mp4", bridges=bridges, engine="identity")
    written = int(next(line for line in Path("/proc/self/io").read_text().splitlines() if "wchar" in line).split()[1])
    return {
        "exact_frames": result.exact_frames,
        "bridge_frames": result.bridge_frames,
        "reencoded_frames": result.reencoded_frames,
        "output_mb": round(result.size_bytes / 1e6, 2),
        "segments_mb": round(sum(f.stat().st_size for f in files.values()) / 1e6, 2),
        "written_mb": round(written / 1e6, 2),
    }


def measured(command: list[str]) -> dict[str, Any]:
    """Wall and CPU seconds and peak memory of a process; what it prints as JSON is added."""
    ended = run_measured(command)
    figures = {
        "wall_s": round(ended.wall_s, 2),
        "cpu_s": round(ended.cpu_s, 2),
        "peak_rss_mb": round(ended.peak_rss_mb),
    }
    return figures | (json.loads(ended.output) if ended.output.strip() else {})


def compare(source: Path, result: Path) -> dict[str, Any]:
    """Timestamps, exactness and quality of a result's kept frames against the source."""
    before, after = probe(source), probe(result)
    exact = kept = 0
    worst, deviation = 100.0, Fraction(0)
    swaps = [s.range for s in plan().swaps]
    for old, new in zip(read_frames(source, before), read_frames(result, after), strict=True):
        deviation = max(deviation, abs(old.time - new.time))
        if any(old.time in r for r in swaps):
            continue
        kept += 1
        if all(np.array_equal(a, b) for a, b in ((old.y, new.y), (old.u, new.u), (old.v, new.v))):
            exact += 1
        else:
            error = float(((old.y.astype(np.float32) - new.y) ** 2).mean())
            worst = min(worst, 10 * np.log10(255**2 / max(error, 1e-9)))
    old_sound, new_sound = sound(source), sound(result)
    offsets = [abs((b - after.start) - (a - before.start)) for (_, a), (_, b) in zip(old_sound, new_sound, strict=True)]
    return {
        "frames": after.frames,
        "frames_due": before.frames,
        "kept_frames": kept,
        "kept_frames_equal": exact,
        "worst_changed_kept_frame_db": round(float(worst), 1) if exact < kept else None,
        "pts_deviation_s": float(deviation),
        "sound_packets_equal": [d for d, _ in old_sound] == [d for d, _ in new_sound],
        "av_offset_ms": round(float(max(offsets)) * 1000, 3),
    }


def sound(path: Path) -> list[tuple[bytes, Fraction]]:
    with av.open(str(path)) as container:
        packets = container.demux(container.streams.audio[0])
        return [(bytes(p), Fraction(p.pts or 0) * p.time_base) for p in packets if p.size]


def machine() -> dict[str, Any]:
    cpu = next(
        (x.split(":")[1].strip() for x in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in x), ""
    )
    memory = int(Path("/proc/meminfo").read_text().split()[1]) // 1024
    return {
        "cpu": cpu, "cores": os.cpu_count(), "memory_mb": memory, "python": platform.python_version(),
        "pyav": av.__version__, "ffmpeg": imageio_ffmpeg.get_ffmpeg_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--results", type=Path)
    parser.add_argument("--one", nargs=3, metavar=("MODE", "SOURCE", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        mode, source, folder = arguments.one
        print(json.dumps(run_ours(StitchMode(mode), Path(source), Path(folder))))
        return
    report: dict[str, Any] = {"date": date.today().isoformat(), "machine": machine(), "seconds": arguments.seconds}
    with tempfile.TemporaryDirectory(prefix="ugclab-bench-") as name:
        folder = Path(name)
        sources = {"long groups": (250, arguments.seconds), "aligned keyframes": (30, arguments.seconds)}
        sources["long groups, four times as long"] = (250, 4 * arguments.seconds)
        for title, (gop, seconds) in sources.items():
            source = folder / "source.mp4"
            make_source(source, seconds, gop)
            report[title] = bench(source, folder, short=seconds == arguments.seconds)
            print(json.dumps({title: report[title]}, indent=2))
    if arguments.results:
        arguments.results.write_text(json.dumps(report, indent=2) + "\n")


def bench(source: Path, folder: Path, *, short: bool) -> dict[str, Any]:
    ours = [sys.executable, "-m", "benchmarks.stitch", "--one"]
    plain = measured(
        [ffmpeg(), "-v", "error", "-y", "-i", str(source), *ENCODER, "-c:a", "copy", str(folder / "plain.mp4")]
    )
    plain["output_mb"] = round((folder / "plain.mp4").stat().st_size / 1e6, 2)
    variants: dict[str, Any] = {"source_mb": round(source.stat().st_size / 1e6, 2), "plain transcode": plain}
    for mode in (StitchMode.SMART, StitchMode.FULL, StitchMode.PREPARED) if short else (StitchMode.SMART,):
        before = source
        if mode is StitchMode.PREPARED:
            before = folder / "prepared-source.mp4"
            prepare(source, probe(source), plan(), before)
        figures = measured([*ours, mode, str(before), str(folder)])
        figures["cpu_ratio"] = round(figures["cpu_s"] / plain["cpu_s"], 2)
        figures["wall_ratio"] = round(figures["wall_s"] / plain["wall_s"], 2)
        variants[mode] = figures | compare(before, folder / f"{mode}.mp4")
    return variants


if __name__ == "__main__":
    main()

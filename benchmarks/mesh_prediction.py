"""What `ugclab bench estimate` predicts for the embedded engine beside what a run takes, on any footage.

    python -m benchmarks.mesh_prediction CLIP... --avatar PHOTO               # by the calibration of this machine
    python -m benchmarks.mesh_prediction CLIP... --avatar PHOTO --calibrate --name mesh-prediction

Each clip is swapped whole and in part, every run in a process of its own with a data folder of its own; runs take turns
in rounds and of each the quickest counts, since other work on the machine only adds. Predictions are made by a
calibration that has seen none of the clips: the packaged one, or with --calibrate one measured in the same rounds on
footage made of the sample. Clips are kept by size, rate, length and bits, never by name. The aim is 15 % on seconds and
on processor seconds; exit code 1 says that it was missed.
"""

import argparse
import json
import os
import statistics
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ugclab.bench import mesh_rates
from ugclab.bench.calibrate import describe_cpu
from ugclab.bench.calibration import load_calibrations
from ugclab.bench.mesh_model import Constants, Cost, Pictures, Stitching, cost_of, expected_stitching, steps_of
from ugclab.media.probe import probe
from ugclab.pipeline.measure import environment
from ugclab.pipeline.steps import Progress
from ugclab.schema.media import MediaInfo
from ugclab.schema.plan import FITTED, SegmentPlan
from ugclab.settings import Settings

AIM = 0.15
RESULTS = Path(__file__).parent / "results"


def plans_of(info: MediaInfo, number: int) -> tuple[str, ...]:
    """The whole clip, and a part of it: in turns the beginning and the middle; the default plan where it is long."""
    end = float(info.duration)
    if end >= 16:
        return "all", FITTED
    part = min(2.0, end / 3)
    if number % 2:
        return "all", f"0-{part:g}:swap,{part:g}-end:keep"
    return "all", f"0-1:keep,1-{1 + part:g}:swap,{1 + part:g}-end:keep"


def predicted(
    info: MediaInfo, plan: SegmentPlan, work: Stitching, constants: Constants
) -> tuple[Cost, Mapping[str, float]]:
    """The whole, and processor seconds by step."""
    asked = steps_of(info, plan, work)
    parts = {
        "start": [cost_of("start", asked.start, constants)],
        "analyse": [cost_of("analyse", amounts, constants) for amounts in (asked.avatar, *asked.analyse)],
        "swap": [cost_of("swap", amounts, constants) for amounts in asked.swap],
        "stitch": [cost_of("stitch", asked.stitch, constants)],
    }
    every = [cost for costs in parts.values() for cost in costs]
    whole = Cost(wall_s=sum(c.wall_s for c in every), cpu_s=sum(c.cpu_s for c in every))
    return whole, {step: sum(c.cpu_s for c in costs) for step, costs in parts.items()}


def row_of(case: mesh_rates.Case, took: mesh_rates.Timed, constants: Constants) -> dict[str, Any]:
    """One run as it is kept."""
    info = case.info
    told, steps = predicted(info, case.plan, case.work, constants)
    probed, _ = predicted(info, case.plan, expected_stitching(info, case.plan), constants)
    swapped = float(sum(s.range.duration for s in case.plan.swaps))
    measured = {step: took.of(step).cpu_s for step in ("analyse", "swap", "stitch")}
    measured["start"] = took.whole.cpu_s - sum(measured.values())
    return {
        "size": [info.width, info.height],
        "frame_rate": round(float(info.frame_rate), 3),
        "seconds": round(float(info.duration), 2),
        "mbit_s": round(Pictures.of(info).mbit * float(info.frame_rate), 2),
        "swapped_share": round(swapped / float(info.duration), 2),
        "segments": len(case.plan.swaps),
        "kept_frames_encoded": case.work.bridged + case.work.encoded,
        "predicted_s": round(told.wall_s, 2),
        "measured_s": round(took.whole.wall_s, 2),
        "error": round(told.wall_s / took.whole.wall_s - 1, 3),
        "predicted_cpu_s": round(told.cpu_s, 2),
        "measured_cpu_s": round(took.whole.cpu_s, 2),
        "cpu_error": round(told.cpu_s / took.whole.cpu_s - 1, 3),
        "cpu_error_by_probe_alone": round(probed.cpu_s / took.whole.cpu_s - 1, 3),
        "cpu_s_by_step": {step: [round(steps[step], 2), round(measured[step], 2)] for step in steps},
        "cores_used": round(took.whole.cpu_s / took.whole.wall_s, 2),
    }


def summary(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """Median, worst, and how many are within the aim."""
    errors = [abs(row[name]) for row in rows]
    return {
        "rows": len(rows),
        "median": round(statistics.median(errors), 3),
        "bias": round(statistics.median(row[name] for row in rows), 3),
        "worst": max(errors),
        "within_15_percent": sum(error <= AIM for error in errors),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--avatar", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3, help="of each run the quickest counts (3)")
    parser.add_argument("--calibrate", action="store_true", help="calibrate in the same rounds, by the sample")
    parser.add_argument("--name", help="write benchmarks/results/NAME.json")
    given = parser.parse_args()
    settings = Settings()
    machine = describe_cpu()
    judged = []
    for number, clip in enumerate(given.clips):
        judged += [mesh_rates.Case.of(clip, given.avatar, plan) for plan in plans_of(probe(clip), number)]
    seen = mesh_rates.calibration_cases(settings) if given.calibrate else []

    def tell(progress: Progress) -> None:
        print(f"{progress.done} of {progress.total}: {progress.step}", flush=True)

    took = mesh_rates.time_cases([*seen, *judged], settings, rounds=given.rounds, on_progress=tell)
    if given.calibrate:
        made = mesh_rates.decide(seen, took[: len(seen)], rounds=given.rounds)
        constants: Constants = {name: constant.value for name, constant in made.items()}
    else:
        constants = load_calibrations(settings.bench_folder).cpu(environment().cpu)
    rows = [row_of(case, one, constants) for case, one in zip(judged, took[len(seen) :], strict=True)]
    document: dict[str, Any] = {
        "schema_version": 1,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine,
        "load_after": round(os.getloadavg()[0], 1),
        "rounds": given.rounds,
        "calibrated": "in the same rounds" if given.calibrate else "beforehand",
        "aim": AIM,
        "wall": summary(rows, "error"),
        "cpu": summary(rows, "cpu_error"),
        "cpu_by_probe_alone": summary(rows, "cpu_error_by_probe_alone"),
        "constants": {name: constants[name] for name in sorted(made)} if given.calibrate else {},
        "rows": rows,
    }
    for row in rows:
        size, share = "x".join(map(str, row["size"])), row["swapped_share"]
        print(
            f"{size} {row['seconds']} s, {share:.0%} swapped: {row['predicted_s']} of {row['measured_s']} s "
            f"{row['error']:+.0%}, CPU {row['predicted_cpu_s']} of {row['measured_cpu_s']} s {row['cpu_error']:+.0%}"
        )
    for name in ("wall", "cpu", "cpu_by_probe_alone"):
        print(name, document[name])
    if given.name:
        (RESULTS / f"{given.name}.json").write_text(json.dumps(document, indent=1) + "\n")
    return 0 if document["wall"]["worst"] <= AIM and document["cpu"]["worst"] <= AIM else 1


if __name__ == "__main__":
    raise SystemExit(main())

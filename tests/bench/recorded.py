"""Recorded runs: results as `ugclab bench run` writes them, with the noise that shared machines showed, from a seed.

A round's trials share the machine's mood (tens of percent for wall time), each has noise of its own: a few percent, and
one in twenty a lot more.
"""

from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np

from ugclab.bench.results import START, Benchmark, Machine, Stage, Trial
from ugclab.bench.scenarios import Footage, Scenario
from ugclab.schema.engine import EngineInfo, Licences
from ugclab.schema.report import Environment

OWN = 0.03
MOOD = 0.15
SCENARIO = Scenario(name="short", title="a short one", footage=Footage(seconds=5, width=1280, height=720), plan="all")
ENGINE = EngineInfo(
    name="mesh", version="1", model_version="1", summary="", replaces="face",
    licences=Licences(code="Apache-2.0"), commercial_use="yes",
)  # fmt: skip
STEPS = {START: 0.8, "probe": 0.05, "setup": 0.05, "analyse": 1.2, "swap": 2.8, "stitch": 0.1}


def machine(cpu: str = "a CPU") -> Machine:
    return Machine(
        environment=Environment(python="3.11.7", platform="Linux 6", cpu=cpu, cores=2, memory_mb=24000, packages={})
    )


def record(
    seed: int,
    *,
    rounds: int = 5,
    slower: float = 1.0,
    hungrier: float = 1.0,
    step: str = "",
    own: float = OWN,
    mood: float = MOOD,
    floor: bool = True,
    scenario: Scenario = SCENARIO,
    commit: str = "",
) -> Benchmark:
    """A run; `slower` multiplies all time of our own trials, or that of one step."""
    rng = np.random.default_rng(seed)

    def noisy(seconds: float, now: float) -> float:
        struck = abs(rng.normal(0, 10 * own)) if rng.random() < 0.05 else 0.0
        return float(seconds * now * np.exp(rng.normal(0, own) + struck))

    trials = []
    for number in range(rounds):
        now = float(np.exp(abs(rng.normal(0, mood))))
        if floor:
            trials.append(_trial("transcode", "cold", number, noisy(1.9, now), noisy(1.8, now**0.2), 166.0, ()))
        for start in ("cold", "warm"):
            times = {
                name: noisy(seconds, now) * (slower if step in ("", name) else 1)
                for name, seconds in STEPS.items()
                if start == "cold" or name != "setup"
            }
            stages = tuple(
                Stage(step=name, segment=0 if name == "swap" else None, wall_s=s, cpu_s=s) for name, s in times.items()
            )
            cpu = noisy(4.2, now**0.2) * (slower if not step else 1 + (slower - 1) * STEPS[step] / sum(STEPS.values()))
            memory = 300 * hungrier + float(rng.normal(0, 3))
            trials.append(_trial("ugclab", start, number, sum(times.values()), cpu, memory, stages))
    return Benchmark(
        created_at="2026-11-21T12:00:00+00:00",
        ugclab_version="0.1.0",
        commit=commit or f"{seed:040d}",
        usd_per_hour=0.1,
        machine=machine(),
        engine=ENGINE,
        scenarios=(scenario,),
        trials=tuple(t.model_copy(update={"scenario": scenario.name}) for t in trials),
    )


def _trial(
    route: Literal["ugclab", "transcode"],
    start: Literal["cold", "warm"],
    number: int,
    wall_s: float,
    cpu_s: float,
    peak_rss_mb: float,
    stages: tuple[Stage, ...],
) -> Trial:
    return Trial(
        scenario="", route=route, start=start, engine="mesh" if stages else "", round=number, wall_s=wall_s,
        cpu_s=cpu_s, peak_rss_mb=peak_rss_mb, frames=125, media_s=Fraction(5),
        swapped_segments=1 if stages else 0, swapped_frames=125 if stages else 0, stages=stages,
    )  # fmt: skip


def save(benchmark: Benchmark, path: Path) -> Path:
    path.write_text(benchmark.model_dump_json())
    return path

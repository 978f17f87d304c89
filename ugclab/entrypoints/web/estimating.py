"""What a job would take and cost, as every HTTP door tells it."""

from typing import Any

from ugclab.bench.estimate import estimate_cost
from ugclab.errors import InputError
from ugclab.pipeline.plan import fixed_plan
from ugclab.schema.base import Frozen
from ugclab.schema.media import Asset
from ugclab.settings import Settings


class Estimate(Frozen):
    """A prediction for this machine; `seconds` is None for an engine that nobody has modelled."""

    engine: str
    seconds: float | None
    usd: float | None
    usd_per_hour: float
    segments: tuple[dict[str, Any], ...] = ()
    swapped_s: float
    untouched_s: float
    warnings: tuple[str, ...] = ()


def estimated(source: Asset, plan: str, engine: str, settings: Settings) -> Estimate:
    """Predict. Raises InputError for what is no footage, PlanError."""
    info = source.info
    if info is None:
        raise InputError(f"{source.name} is not footage", hint="bring a video")
    fixed = fixed_plan(plan, info)
    found = estimate_cost(info, plan, engine, settings)
    swapped = float(sum((s.range.duration for s in fixed.swaps), start=0)) if fixed else float(info.duration)
    return Estimate(
        engine=engine,
        seconds=found.seconds if found else None,
        usd=found.usd if found else None,
        usd_per_hour=settings.usd_per_hour,
        segments=tuple(s.model_dump(mode="json") for s in found.segments) if found else (),
        swapped_s=swapped,
        untouched_s=float(info.duration) - swapped,
        warnings=found.warnings if found else (),
    )

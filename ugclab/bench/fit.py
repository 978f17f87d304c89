"""Which settings meet a budget and a deadline: every GPU by size, frame rate, steps, precision, state and provision,
the embedded engine on this machine, and hosted services; cheapest first, with what each gives up.
"""

import datetime
import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from pydantic import Field

from ugclab.bench.estimate import Footage, Teller, on_this_machine
from ugclab.bench.prices import GpuPrice, HostedPrice, Provision
from ugclab.bench.rates import stacks_of
from ugclab.bench.setting import WAN, Breakdown, Prediction, PriceTag, SegmentCost, Setting, State, provenance
from ugclab.errors import InputError
from ugclab.schema.base import Frozen
from ugclab.wan.arithmetic import effective_size

FULL_STEPS, DISTILLED_STEPS = 20, 4
AREAS = {"720p": (1280, 720), "480p": (832, 480)}
CROPS = (640, 512)
"""Squares around the person, px: what is generated anew, the rest stays the source's."""
RATES = (Fraction(24), Fraction(16))
OWN_RATE_MOST = Fraction(30)
"""The model's output is written at 30 frames a second at most."""

LIPS = "only the lips move anew: the face stays"
FACE = "the face only, warped from one photo: no new body, clothes, hair or light from the side"


class Option(Frozen):
    """A prediction beside what was asked for. None where seconds or dollars are not known."""

    prediction: Prediction
    meets_budget: bool | None
    meets_deadline: bool | None
    lacks: tuple[str, ...] = Field((), description="what it misses, in words")

    @property
    def meets_both(self) -> bool:
        """Whether it is known to meet budget and deadline."""
        return bool(self.meets_budget and self.meets_deadline)

    def to_json(self) -> dict[str, Any]:
        """A flat document of one option."""
        return self.prediction.to_json() | {
            "meets_budget": self.meets_budget,
            "meets_deadline": self.meets_deadline,
            "meets_both": self.meets_both,
            "lacks": list(self.lacks),
        }


class Fit(Frozen):
    """All options, the cheapest first; without a price at the end."""

    budget_usd: float
    deadline_s: float
    options: tuple[Option, ...]
    unpredicted: tuple[str, ...] = Field((), description="GPUs that have a price and no rates, or rates and no price")

    @property
    def met(self) -> tuple[Option, ...]:
        """Those that meet both."""
        return tuple(option for option in self.options if option.meets_both)

    @property
    def nearest(self) -> Option | None:
        """Where nothing meets both: the option whose worse excess, of dollars or seconds, is least."""
        if self.met:
            return None

        def excess(option: Option) -> float:
            found = option.prediction
            return max((found.usd or 0) / self.budget_usd, (found.seconds or 0) / self.deadline_s)

        whole = [o for o in self.options if o.prediction.usd is not None and o.prediction.seconds is not None]
        return min(whole, key=excess, default=None)


def fit(
    given: Footage,
    teller: Teller,
    *,
    budget_usd: float,
    deadline_s: float,
    usd_per_hour: float,
    today: datetime.date,
) -> Fit:
    """Predict everything there is. Raises InputError for a budget or deadline that is not positive."""
    if not (0 < budget_usd < math.inf and 0 < deadline_s < math.inf):
        raise InputError(
            f"${budget_usd:g} in {deadline_s:g} s can meet nothing", hint="give a budget and a deadline above zero"
        )
    found = [teller.predict(given, *on_this_machine(given, usd_per_hour), gives_up=(FACE,))]
    found += [
        teller.predict(given, setting, tag(price, setting, today), gives_up(setting, given))
        for price, setting in settings_of(given, teller)
    ]
    found += [hosted(given, price, teller, today) for price in teller.prices.hosted]
    options = [_judged(prediction, budget_usd, deadline_s) for prediction in found]
    options.sort(key=lambda o: (o.prediction.usd is None, o.prediction.usd or 0, o.prediction.seconds or 0))
    return Fit(
        budget_usd=budget_usd, deadline_s=deadline_s, options=tuple(options), unpredicted=tuple(unpredicted(teller))
    )


def unpredicted(teller: Teller) -> Iterator[str]:
    """GPUs that are named and cannot be told, with the reason."""
    rated, priced = teller.calibrations.gpus, [price.gpu for price in teller.prices.gpus]
    yield from (f"{gpu}: a price, no rates" for gpu in dict.fromkeys(priced) if gpu not in rated)
    yield from (f"{gpu}: rates, no price" for gpu in rated if gpu not in priced)


def settings_of(given: Footage, teller: Teller, gpu: str = "") -> Iterator[tuple[GpuPrice, Setting]]:
    """Every setting of every GPU that has rates and a price (or of one), with the row of its price."""
    for price in teller.prices.of(gpu) if gpu else teller.prices.gpus:
        if price.gpu not in teller.calibrations.gpus:
            continue
        stacks = stacks_of(teller.constants(price.gpu))
        for provision in _provisions(price):
            for picture, (width, height) in pictures(given).items():
                for rate in frame_rates(given):
                    for stack in stacks:
                        for steps, state in _manners(stack, picture):
                            yield (
                                price,
                                Setting(
                                    engine=WAN,
                                    gpu=price.gpu,
                                    provider=price.provider,
                                    provision=provision,
                                    state=state,
                                    picture=picture,
                                    width=width,
                                    height=height,
                                    frame_rate=rate,
                                    steps=steps,
                                    precision=stack,
                                ),
                            )


def _provisions(price: GpuPrice) -> tuple[Provision, ...]:
    offered: tuple[Provision, ...] = ("serverless", "pod")
    return tuple(provision for provision in offered if price.usd_s(provision))


def _manners(stack: str, picture: str) -> Iterator[tuple[int, State]]:
    states: tuple[State, ...] = ("warm", "cold")
    yield from ((steps, state) for steps in (FULL_STEPS, DISTILLED_STEPS) for state in states)
    if stack == "bf16" and picture in AREAS:
        yield FULL_STEPS, "reload"  # the official command line: it has no crop, no LoRA of few steps, no fp8


def pictures(given: Footage) -> dict[str, tuple[int, int]]:
    """Sizes to generate at, px: whole pictures up to the source's own size (480p at least), and crops that fit in."""
    width, height = given.info.width, given.info.height
    found = {}
    for name, area in AREAS.items():
        if name == "480p" or area[0] * area[1] <= width * height:
            size = effective_size(width, height, area)
            if size.width and size.height:
                found[name] = (size.width, size.height)
    return found | {f"crop {side}": (side, side) for side in CROPS if side <= min(width, height)}


def frame_rates(given: Footage) -> tuple[Fraction, ...]:
    """The source's own rate, at most 30, and what of 24 and 16 is lower."""
    own = min(given.info.frame_rate, OWN_RATE_MOST)
    return (own, *(rate for rate in RATES if rate < own))


def tag(price: GpuPrice, setting: Setting, today: datetime.date) -> PriceTag | None:
    """The price of a second of a setting's machine."""
    if setting.provision not in ("serverless", "pod"):
        return None
    usd_s, dated = price.usd_s(setting.provision), price.dated(setting.provision)
    if usd_s is None or dated is None:
        return None
    return PriceTag(usd_s=usd_s, date=dated.date.isoformat(), source=dated.source, stale=dated.stale(today))


def gives_up(setting: Setting, given: Footage) -> tuple[str, ...]:
    """What is worse than with the whole picture at 720p, 20 steps, 16 bits and every frame."""
    found = []
    if setting.picture.startswith("crop"):
        found.append(f"only {setting.width} px square around the person is made anew")
    elif setting.picture == "480p":
        found.append(f"made at {setting.width}x{setting.height}, enlarged to {given.info.width}x{given.info.height}")
    if setting.frame_rate < given.info.frame_rate:
        found.append(f"{float(setting.frame_rate):g} of {float(given.info.frame_rate):.3g} frames a second are made")
    if setting.steps == DISTILLED_STEPS:
        found.append("4 steps with a distilled LoRA: less detail and motion than 20")
    if setting.precision in ("fp8", "fp4"):
        found.append(f"weights of {setting.precision[2:]} bits")
    return tuple(found)


def hosted(given: Footage, price: HostedPrice, teller: Teller, today: datetime.date) -> Prediction:
    """A service by its price; its time by the one public report there is, where that is of this model."""
    rate = given.info.frame_rate
    constants = teller.constants("")
    timed = price.replaces == "person"
    segments = []
    for segment, frames in zip(given.plan.swaps, given.frames(rate), strict=True):
        media_s = float(segment.range.duration)
        seconds = media_s * constants["hosted.rtf"] if timed else 0.0
        usd = price.usd(media_s, frames)
        segments.append(SegmentCost(index=segment.index, media_s=media_s, frames=frames, seconds=seconds, usd=usd))
    seconds = sum(s.seconds for s in segments)
    setting = Setting(
        engine=price.name,
        provision="hosted",
        picture=price.picture,
        width=given.info.width,
        height=given.info.height,
        frame_rate=rate,
    )
    return Prediction(
        setting=setting,
        seconds=seconds if timed else None,
        usd=sum(s.usd or 0.0 for s in segments),
        breakdown=Breakdown(engine_s=seconds),
        segments=tuple(segments),
        price=PriceTag(usd_s=price.usd_s, date=price.date.isoformat(), source=price.source, stale=price.stale(today)),
        provenance=provenance(constants.used) | {"price": "published"},
        gives_up=(LIPS,)
        if price.replaces == "lips"
        else ()
        if price.picture == "720p"
        else (f"made at {price.picture}",),
        warnings=("its time is not this host's own figure",) if timed else ("nobody has said how long it takes",),
    )


def _judged(found: Prediction, budget_usd: float, deadline_s: float) -> Option:
    cheap = None if found.usd is None else found.usd <= budget_usd
    quick = None if found.seconds is None else found.seconds <= deadline_s
    lacks = []
    if found.usd is None:
        lacks.append("it has no price" + (": set UGCLAB_USD_PER_HOUR" if found.setting.provision == "own" else ""))
    elif not cheap:
        lacks.append(f"${found.usd - budget_usd:.4f} too dear")
    if found.seconds is None:
        lacks.append("its time is not known")
    elif not quick:
        lacks.append(f"{found.seconds - deadline_s:.0f} s too slow")
    return Option(prediction=found, meets_budget=cheap, meets_deadline=quick, lacks=tuple(lacks))

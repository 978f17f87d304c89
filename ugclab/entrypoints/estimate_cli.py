"""`ugclab bench estimate` and `ugclab bench fit`: what a swap is predicted to take and cost, before anything runs."""

import datetime
import math
from collections.abc import Sequence
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ugclab.entrypoints import options, terminal
from ugclab.entrypoints.terminal import print_json
from ugclab.errors import InputError

if TYPE_CHECKING:
    from ugclab.bench.estimate import Footage, Teller
    from ugclab.bench.fit import Fit, Option
    from ugclab.bench.setting import Prediction

SHOWN = 12
"""Rows of a table for a person; --json has all."""


class StateName(StrEnum):
    """Whether the model is there already."""

    WARM = "warm"
    COLD = "cold"
    RELOAD = "reload"


class ProvisionName(StrEnum):
    """How a GPU is rented."""

    SERVERLESS = "serverless"
    POD = "pod"


Video = Annotated[Path, typer.Option("--source", help="The video.", metavar="SOURCE", show_default=False)]
Busy = Annotated[float, typer.Option("--utilisation", help="Share of its paid time that a pod works.", min=0.01, max=1)]
Explain = Annotated[bool, typer.Option("--explain", help="Show the formula, and every constant with its origin.")]


def estimate(
    source: Video,
    plan: options.Plan = "default",
    engine: Annotated[
        str, typer.Option("--engine", help="mesh or wan-animate; wan-animate where a GPU is named.", metavar="NAME")
    ] = "",
    gpu: Annotated[str, typer.Option("--gpu", help="One GPU, as H100; all if left out.", metavar="NAME")] = "",
    picture: Annotated[
        str, typer.Option("--picture", help="What is generated: 480p, 720p, 'crop 640' or 'crop 512'.")
    ] = "480p",
    frame_rate: Annotated[
        float, typer.Option("--frame-rate", help="Frames generated a second; 0: the source's own, at most 30.", min=0)
    ] = 0.0,
    steps: Annotated[int, typer.Option("--steps", help="20, or 4 with a distilled LoRA.", min=1)] = 4,
    precision: Annotated[str, typer.Option("--precision", help="bf16, bf16-sage, fp8 or fp4.")] = "fp8",
    state: Annotated[StateName, typer.Option("--state", help="reload: once a segment.")] = StateName.WARM,
    provision: Annotated[ProvisionName | None, typer.Option("--provision", help="Both if left out.")] = None,
    usd_per_hour: Annotated[
        float, typer.Option("--usd-per-hour", help="Your own price of the machine; 0: the table's.", min=0)
    ] = 0.0,
    utilisation: Busy = 1.0,
    explain: Explain = False,
    as_json: options.Json = False,
) -> None:
    """Predict seconds and dollars of each swapped segment and of the video."""
    from ugclab.bench.estimate import Teller, on_this_machine
    from ugclab.bench.setting import MESH, WAN
    from ugclab.settings import Settings

    if not (math.isfinite(frame_rate) and math.isfinite(usd_per_hour)):
        raise InputError("a frame rate and a price are numbers", hint="as 24, and as 0.69")
    settings = Settings()
    teller = Teller.of(settings, utilisation=utilisation)
    given = _footage(source, plan)
    chosen = engine or (WAN if gpu else MESH)
    if chosen == MESH and gpu:
        raise InputError("the engine mesh runs on a CPU", hint="leave --gpu out, or choose --engine wan-animate")
    if chosen == WAN:
        wanted = {"picture": picture, "steps": steps, "precision": precision, "state": str(state)}
        wanted |= {"provision": str(provision) if provision else "", "gpu": gpu, "usd_per_hour": usd_per_hour}
        found = _on_gpus(given, teller, Fraction(str(frame_rate)), wanted)
    else:
        setting, price = on_this_machine(given, usd_per_hour or settings.usd_per_hour)
        found = [teller.predict(given, setting.model_copy(update={"engine": chosen}), price)]
    if as_json:
        print_json(_document(given, teller, explain) | {"options": [p.to_json() for p in found]})
        return
    _show([(_place(p), *_money(p), p.weakest) for p in found], ("", "seconds", "dollars", "rests on"))
    for cost in found[0].segments if len(found) == 1 else ():
        paid = "" if cost.usd is None else f", ${cost.usd:.4f}"
        typer.echo(
            f"segment {cost.index}: {cost.frames} frames, {cost.clips or 'no'} clips, {cost.seconds:.1f} s{paid}"
        )
    _footnotes(found, teller, explain=explain)


def fit(
    source: Video,
    budget: Annotated[float, typer.Option("--budget", help="Dollars for the video.")] = 0.05,
    deadline: Annotated[float, typer.Option("--deadline", help="Seconds until it is there.")] = 300.0,
    plan: options.Plan = "default",
    utilisation: Busy = 1.0,
    explain: Explain = False,
    as_json: options.Json = False,
) -> None:
    """List the GPUs and settings that meet a budget and a deadline, the cheapest first, with what each gives up."""
    from ugclab.bench.estimate import Teller
    from ugclab.bench.fit import fit as find
    from ugclab.settings import Settings

    settings = Settings()
    teller = Teller.of(settings, utilisation=utilisation)
    given = _footage(source, plan)
    found = find(
        given,
        teller,
        budget_usd=budget,
        deadline_s=deadline,
        usd_per_hour=settings.usd_per_hour,
        today=datetime.date.today(),
    )
    if as_json:
        document = {"budget_usd": budget, "deadline_s": deadline, "unpredicted": list(found.unpredicted)}
        nearest = found.nearest.to_json() if found.nearest else None
        every = {"nearest": nearest, "options": [o.to_json() for o in found.options]}
        print_json(_document(given, teller, explain) | document | every)
        return
    _show_fit(found)
    _footnotes([o.prediction for o in found.options], teller, explain=explain)


def _footage(source: Path, plan: str) -> "Footage":
    from ugclab.bench.estimate import footage
    from ugclab.media.probe import probe

    return footage(probe(source), plan, source)


def _on_gpus(given: "Footage", teller: "Teller", rate: Fraction, wanted: dict[str, Any]) -> "list[Prediction]":
    """Predictions of one setting on one GPU or on all that have rates and a price."""
    from ugclab.bench.fit import OWN_RATE_MOST, gives_up, pictures, settings_of, tag
    from ugclab.bench.setting import WAN, PriceTag, Setting

    sizes = pictures(given)
    if wanted["picture"] not in sizes:
        raise InputError(f"'{wanted['picture']}' is no size for this source", hint=f"one of {', '.join(sizes)}")
    own = min(given.info.frame_rate, OWN_RATE_MOST)
    if rate > given.info.frame_rate:
        raise InputError(f"the source has {float(own):g} frames a second", hint="ask for no more")
    width, height = sizes[wanted["picture"]]
    same = {"frame_rate": rate or own, "width": width, "height": height}
    same |= {name: wanted[name] for name in ("picture", "steps", "precision", "state")}
    if wanted["usd_per_hour"]:
        if not wanted["gpu"]:
            raise InputError("a price of your own is that of one GPU", hint="name it with --gpu")
        device = teller.constants(wanted["gpu"]).device
        setting = Setting(engine=WAN, gpu=device, provision="own", **same)
        price = PriceTag(usd_s=wanted["usd_per_hour"] / 3600, source="--usd-per-hour")
        return [teller.predict(given, setting, price, gives_up(setting, given))]
    if wanted["gpu"]:
        wanted["gpu"] = teller.constants(wanted["gpu"]).device
    today = datetime.date.today()
    places = {(p.provider, s.gpu, s.provision): p for p, s in settings_of(given, teller, wanted["gpu"])}
    found = []
    for (provider, gpu, provision), row in places.items():
        if wanted["provision"] in ("", provision):
            setting = Setting(engine=WAN, gpu=gpu, provider=provider, provision=provision, **same)
            found.append(teller.predict(given, setting, tag(row, setting, today), gives_up(setting, given)))
    if not found:
        raise InputError(f"no {wanted['provision']} price is known for {wanted['gpu']}", hint="give --usd-per-hour")
    return sorted(found, key=lambda p: (p.usd or 0.0, p.seconds or 0.0))


def _document(given: "Footage", teller: "Teller", explain: bool) -> dict[str, Any]:
    from ugclab.bench.setting import FORMULA

    info = given.info
    media = {"width": info.width, "height": info.height, "frame_rate": str(info.frame_rate)}
    document = {
        "schema_version": 1,
        "source": media | {"duration_s": float(info.duration), "swapped_s": given.swapped_s},
        "plan": str(given.plan),
        "utilisation": teller.utilisation,
    }
    return document | ({"formula": FORMULA, "constants": teller.explained} if explain else {})


def _place(found: "Prediction") -> str:
    s = found.setting
    if s.provision in ("own", "hosted") and not s.gpu:
        return s.engine + (" on this machine" if s.provision == "own" else "")
    how = f"{s.picture}, {float(s.frame_rate):.4g} frames/s, {s.steps} steps, {s.precision}, {s.state}"
    return f"{s.gpu} {s.provision}: {how}"


def _money(found: "Prediction") -> tuple[str, str]:
    star = "*" if found.price and found.price.stale else ""
    return (
        "unknown" if found.seconds is None else f"{found.seconds:.0f}",
        "no price" if found.usd is None else f"{found.usd:.4f}{star}",
    )


def _show(rows: Sequence[Sequence[object]], head: Sequence[str]) -> None:
    terminal.table(head, rows)


def _show_fit(found: "Fit") -> None:
    head = ("", "seconds", "dollars", "rests on", "gives up")
    if found.met:
        typer.echo(f"{len(found.met)} of {len(found.options)} settings meet both; the cheapest:")
        _show([_row(option) for option in _varied(found.met)], head)
    elif near := found.nearest:
        typer.echo(f"nothing meets ${found.budget_usd:g} and {found.deadline_s:g} s; the nearest, which is:")
        _show([(*_row(near)[:4], "; ".join(near.lacks))], (*head[:4], "lacks"))
    others = [o for o in found.options if o.prediction.setting.provision in ("own", "hosted") and not o.meets_both]
    if others:
        typer.echo("\nfor comparison:")
        _show([(*_row(o)[:4], "; ".join(o.lacks)) for o in others], (*head[:4], "lacks"))
    for line in found.unpredicted:
        typer.echo(f"not predicted: {line}")


def _varied(options_met: "Sequence[Option]") -> "list[Option]":
    """The cheapest of every GPU and way to rent it, then more of the cheapest."""
    places: dict[tuple[str, str, str], Option] = {}
    for option in options_met:
        setting = option.prediction.setting
        places.setdefault((setting.engine, setting.gpu, setting.provision), option)
    first = list(places.values())
    rest = [option for option in options_met if option not in first]
    chosen = first + rest[: max(0, SHOWN - len(first))]
    return sorted(chosen, key=lambda o: o.prediction.usd or 0.0)


def _row(option: "Option") -> tuple[str, ...]:
    found = option.prediction
    return (_place(found), *_money(found), found.weakest, "; ".join(found.gives_up))


def _footnotes(found: "Sequence[Prediction]", teller: "Teller", *, explain: bool) -> None:
    from ugclab.bench.prices import FRESH_DAYS
    from ugclab.bench.setting import FORMULA

    if any(p.price and p.price.stale for p in found):
        dates = sorted({p.price.date for p in found if p.price and p.price.stale})
        typer.echo(
            f"* a price older than {FRESH_DAYS} days (read {dates[0]} to {dates[-1]}): look it up before relying on it"
        )
    if any(p.setting.provision == "pod" for p in found):
        typer.echo(f"pods are taken to work {teller.utilisation:.0%} of the time they are paid for (--utilisation)")
    if len(found) == 1:
        for warning in found[0].warnings:
            typer.echo(f"note: {warning}")
    if explain:
        typer.echo(f"\n{FORMULA}\n")
        rows = [
            (name, f"{c['value']:.5g} {c['unit']}", c["provenance"], c["source"])
            for name, c in sorted(teller.explained.items())
        ]
        _show(rows, ("constant", "value", "is", "from"))

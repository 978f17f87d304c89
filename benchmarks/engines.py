"""The same footage through every engine that can run here: cost, likeness, expression, stability; and what others need.

    python -m benchmarks.engines [--source V --avatar A --plan P] [--folder out/engines]

Scores are those of `benchmarks.quality`. An engine that cannot run is listed with the reason and what to type; Wan and
the hosted services, which run elsewhere, with what they are predicted to take and cost (`ugclab bench fit`).
"""

import argparse
import datetime
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from benchmarks.judge import measure
from benchmarks.scores import QualityScores
from ugclab.bench.estimate import Teller, footage
from ugclab.bench.fit import fit
from ugclab.bench.setting import Prediction
from ugclab.engines import registry
from ugclab.media.probe import probe
from ugclab.pipeline.plan import SwapRequest, fixed_plan
from ugclab.pipeline.run import run
from ugclab.sample import AVATAR, CLIP
from ugclab.schema.engine import EngineInfo
from ugclab.schema.report import Report
from ugclab.settings import Settings

PLAN = "0-2:swap,2-end:keep"


@dataclass(frozen=True, slots=True)
class Tried:
    """One engine on the footage."""

    info: EngineInfo
    lacks: str
    """Why it did not run, and what to type; empty where it did."""
    report: Report | None = None
    scores: QualityScores | None = None
    sheet: Path | None = None


def try_all(
    folder: Path, source: Path = CLIP, avatar: Path = AVATAR, plan: str = PLAN, settings: Settings | None = None
) -> list[Tried]:
    """Run every engine that can, with its contact sheet in `folder`; frames of swapped segments are scored."""
    settings = settings or Settings()
    folder.mkdir(parents=True, exist_ok=True)
    found = fixed_plan(plan, probe(source))
    ranges = [(s.range.start, s.range.end) for s in found.swaps] if found else None
    tried = []
    for engine in registry.catalogue():
        info, state = engine.info, registry.availability(engine, settings)
        if not state.ready:
            tried.append(Tried(info, f"{state.reason}: {state.hint}"))
            continue
        out, sheet = folder / f"{info.name}.mp4", folder / f"{info.name}.png"
        request = SwapRequest(
            source=source, avatar=avatar, out=out, plan=plan, engine=info.name, fresh=True, contact_sheet=sheet
        )
        report = run(request, settings)
        tried.append(Tried(info, "", report, measure(source, out, avatar, ranges), sheet))
    return tried


def cost_table(tried: list[Tried]) -> str:
    """What each took, as Markdown."""
    lines = [
        "| engine | replaces | seconds | CPU seconds | CPU of a swapped second | kept frames exact | USD |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in tried:
        if one.report is None:
            lines.append(f"| {one.info.name} | {one.info.replaces} | not here: {one.lacks} | | | | |")
            continue
        swapped = sum(float(m.media_s) for m in one.report.measurements if m.step == "swap")
        cpu_s = sum(m.cpu_s for m in one.report.measurements)
        lines.append(
            f"| {one.info.name} | {one.info.replaces} | {one.report.seconds:.1f} | {cpu_s:.1f} | {cpu_s / swapped:.2f} "
            f"| {one.report.exact_frames_share:.0%} | {one.report.cost_usd:.5f} |"
        )
    return "\n".join(lines)


def score_table(tried: list[Tried]) -> str:
    """How each looks, by figures, as Markdown."""
    lines = [
        "| engine | identity (before; same person below 0.6) | mouth, eyes (correlation) "
        "| jitter, flicker (of the source's) | outside the face, dB |",
        "|---|---|---|---|---|",
    ]
    for one in tried:
        if one.scores is not None:
            s = one.scores
            lines.append(
                f"| {one.info.name} | {_figure(s.identity_mean)} ({_figure(s.identity_before)}) "
                f"| {_figure(s.mouth)}, {_figure(s.eyes)} | {_figure(s.jitter)}, {_figure(s.flicker)} "
                f"| {_figure(s.outside_psnr_db, 0)} |"
            )
    return "\n".join(lines)


def elsewhere_table(source: Path = CLIP, plan: str = PLAN, settings: Settings | None = None) -> str:
    """What does not run in this package: the cheapest setting of Wan within 5 minutes, and services, predicted."""
    settings = settings or Settings()
    teller = Teller.of(settings)
    replaced = {price.name: price.replaces for price in teller.prices.hosted}
    found = fit(
        footage(probe(source), plan, source),
        teller,
        budget_usd=0.05,
        deadline_s=300,
        usd_per_hour=settings.usd_per_hour,
        today=datetime.date.today(),
    )
    others = [o for o in found.options if o.prediction.setting.provision != "own"]
    wan = next(o for o in others if o.prediction.setting.gpu and o.meets_deadline)
    services = [o for o in others if o.prediction.setting.provision == "hosted"]
    lines = ["| what | replaces | seconds | USD | rests on | needs |", "|---|---|---|---|---|---|"]
    for option in (wan, *services):
        told = option.prediction
        seconds = "unknown" if told.seconds is None else f"{told.seconds:.0f}"
        cells = (_what(told), replaced.get(told.setting.engine, "person"), seconds, f"{told.usd or 0:.3f}")
        lines.append(f"| {' | '.join(cells)} | {told.weakest} | {_needs(told)} |")
    return "\n".join(lines)


def small(sheet: Path, width: int = 1000) -> bytes:
    """A contact sheet as a JPEG that a notebook can carry."""
    picture = Image.open(sheet).convert("RGB")
    buffer = io.BytesIO()
    picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS).save(
        buffer, "JPEG", quality=82, optimize=True
    )
    return buffer.getvalue()


def _what(told: Prediction) -> str:
    s = told.setting
    if not s.gpu:
        return s.engine
    return f"{s.engine}, {s.picture}, {float(s.frame_rate):g} frames/s, {s.steps} steps, {s.precision}"


def _needs(told: Prediction) -> str:
    s = told.setting
    return f"{s.gpu}, as a {s.provision}" if s.gpu else "an account there, and the footage leaves the house"


def _figure(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, default=CLIP)
    parser.add_argument("--avatar", type=Path, default=AVATAR)
    parser.add_argument("--plan", default=PLAN)
    parser.add_argument("--folder", type=Path, default=Path("out/engines"), help="for results and contact sheets")
    given = parser.parse_args()
    tried = try_all(given.folder, given.source, given.avatar, given.plan)
    print("\n\n".join((cost_table(tried), score_table(tried), elsewhere_table(given.source, given.plan))))


if __name__ == "__main__":
    main()

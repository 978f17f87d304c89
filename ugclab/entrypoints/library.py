"""The Python door: what `import ugclab` offers. Settings come from the environment unless they are passed."""

import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from ugclab.media.probe import probe as probe_file
from ugclab.pipeline import preparing
from ugclab.pipeline.plan import DEFAULT_ENGINE, SwapRequest, checked_options
from ugclab.pipeline.preview import Preview
from ugclab.pipeline.preview import preview as preview_frame
from ugclab.pipeline.run import run
from ugclab.pipeline.steps import Progress
from ugclab.schema.base import to_fraction
from ugclab.schema.job import FaceSelector
from ugclab.schema.media import MediaInfo
from ugclab.schema.plan import FITTED, parse_time
from ugclab.schema.report import Report
from ugclab.settings import Settings

PathLike = str | os.PathLike[str]


def swap(
    source: PathLike,
    avatar: PathLike,
    *,
    out: PathLike,
    plan: str = FITTED,
    face: str = "largest",
    eyewear: str = "keep",
    replace: str = "head",
    engine: str = DEFAULT_ENGINE,
    stitch: str = "auto",
    crf: int = 18,
    watermark: str = "",
    tone_map: bool = False,
    min_swapped: float = 0.5,
    seed: int = 0,
    fresh: bool = False,
    contact_sheet: PathLike | None = None,
    settings: Settings | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Report:
    """Put the avatar's face into the plan's swap segments of `source` and write the whole as `out`.

    The words are those of `ugclab swap --help`. Raises the errors of `ugclab.errors`; nothing half-written stays.
    """
    request = SwapRequest(
        source=Path(source),
        avatar=Path(avatar),
        out=Path(out),
        plan=plan,
        engine=engine,
        options=checked_options(
            face=FaceSelector.parse(face),
            eyewear=eyewear,
            replace=replace,
            min_swapped=min_swapped,
            stitch=stitch,
            crf=crf,
            watermark=watermark,
            tone_map=tone_map,
            seed=seed,
        ),
        fresh=fresh,
        contact_sheet=Path(contact_sheet) if contact_sheet is not None else None,
    )
    return run(request, settings or Settings(), on_progress=on_progress, cancelled=cancelled)


def probe(source: PathLike) -> MediaInfo:
    """Look at a video file: geometry as a viewer sees it, exact times, colour, groups of pictures, sound."""
    return probe_file(Path(source))


def prepare(
    source: PathLike,
    *,
    out: PathLike,
    plan: str = FITTED,
    crf: int = preparing.PREPARED_CRF,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> MediaInfo:
    """Write `source` for many avatars: every swap by this plan then keeps all other frames bit for bit.

    The words are those of `ugclab prepare --help`. Raises the errors of `ugclab.errors`; nothing half-written stays.
    """
    return preparing.prepare(Path(source), Path(out), plan, crf=crf, on_progress=on_progress, cancelled=cancelled)


def preview(
    source: PathLike,
    avatar: PathLike,
    at: str | float | Fraction = 0,
    *,
    face: str = "largest",
    engine: str = DEFAULT_ENGINE,
    seed: int = 0,
    settings: Settings | None = None,
) -> Preview:
    """Swap the one frame shown at `at` (seconds, or a time as a plan writes it): `.before` and `.after` are RGB."""
    info = probe(source)
    time = parse_time(at, info.duration) if isinstance(at, str) else to_fraction(at)
    options = checked_options(face=FaceSelector.parse(face), seed=seed)
    return preview_frame(Path(source), Path(avatar), time, settings or Settings(), engine_name=engine, options=options)

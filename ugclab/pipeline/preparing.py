"""A source prepared once for many avatars, as it is asked for: by a file and a plan's text."""

from collections.abc import Callable
from pathlib import Path

from ugclab.errors import PlanError
from ugclab.media import prepare as media
from ugclab.media.probe import probe
from ugclab.media.source import check_file
from ugclab.pipeline.plan import fixed_plan
from ugclab.pipeline.steps import Progress
from ugclab.schema.media import MediaInfo

PREPARED_CRF = media.PREPARED_CRF


def prepare(
    source: Path,
    out: Path,
    plan: str,
    *,
    crf: int = PREPARED_CRF,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> MediaInfo:
    """Write `out`, which a swap by the same plan takes without coding any kept frame again; tells what it is.

    Raises PlanError, also for the plan 'faces', which is not known before an engine has looked; and what
    `media.prepare` raises.
    """
    check_file(source)
    info = probe(source)
    wanted = fixed_plan(plan, info)
    if wanted is None:
        raise PlanError("the plan 'faces' has no boundaries yet", hint="give the segments: --plan 0-5:swap,5-15:keep")

    def report(done: int, total: int) -> None:
        on_progress(Progress("prepare", None, done, total))

    return media.prepare(source, info, wanted, out, crf=crf, report=report, cancelled=cancelled)

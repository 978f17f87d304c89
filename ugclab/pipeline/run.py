"""Do the steps of a request and measure them: from a video and a photo to a stitched file and a report."""

from collections.abc import Callable

from ugclab.engines.base import FaceEngine
from ugclab.errors import InputError
from ugclab.media.output import check_folder
from ugclab.media.source import check_file
from ugclab.media.stitch import check_output
from ugclab.pipeline.plan import SwapRequest
from ugclab.pipeline.steps import Progress, open_workshop
from ugclab.pipeline.swap_job import SwapJob, compose_report
from ugclab.schema.ids import new_ulid
from ugclab.schema.report import Report
from ugclab.settings import Settings

Listener = Callable[[Progress], None]


def run(
    request: SwapRequest,
    settings: Settings,
    *,
    on_progress: Listener = lambda progress: None,
    cancelled: Callable[[], bool] = lambda: False,
    engine: FaceEngine | None = None,
) -> Report:
    """Swap, stitch and report. The output is whole or absent; what was finished before a fault is reused next time.

    `engine` is one that was set up before; it must be the one the request names. Raises the errors of errors.py.
    """
    check_paths(request)
    with open_workshop(
        request.engine, settings, on_progress, cancelled, fresh=request.fresh, engine=engine
    ) as workshop:
        job = SwapJob(workshop, request)
        analysed = job.analyse()
        swapped = [job.swap(segment.index) for segment in analysed.plan.swaps]
        stitched = job.stitch()
        return compose_report(
            new_ulid(), request, analysed, swapped, stitched, workshop.measurements, workshop.warnings
        )


def check_paths(request: SwapRequest) -> None:
    """Refuse at once what would fail after minutes."""
    check_file(request.source)
    check_output(request.source, request.out)
    if request.contact_sheet is not None:
        check_folder(request.contact_sheet)
    if request.out.exists() and request.avatar.exists() and request.out.samefile(request.avatar):
        raise InputError("the output is the avatar itself", hint="choose another name")

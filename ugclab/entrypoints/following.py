"""Following a job at a terminal, and taking its result out of the store."""

from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from ugclab.entrypoints.progress import Interrupt
from ugclab.entrypoints.terminal import QUIET, SIGNAL
from ugclab.errors import Cancelled, JobConflict, JobNotFound
from ugclab.jobs.queue import Queue
from ugclab.media.output import check_folder, whole_file
from ugclab.schema.job import JobView, Principal
from ugclab.schema.report import Report
from ugclab.storage import paths


def follow(
    queue: Queue,
    job_id: str,
    principal: Principal,
    *,
    quiet: bool = False,
    stopped: Callable[[], bool] = lambda: False,
) -> JobView:
    """Show a job's progress on stderr until it has ended, or `stopped` says so. Ctrl-C ends this, never the job."""
    console = Console(stderr=True)
    bars = Progress(
        TextColumn("{task.description}", style="bold"),
        BarColumn(36, complete_style=SIGNAL, finished_style=SIGNAL, style="rgb(52,60,74)"),
        TextColumn("{task.percentage:.0f} % {task.fields[note]}", style=QUIET),
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    )
    interrupt, job = Interrupt(), queue.get(job_id, principal)
    with interrupt.installed(), bars:
        bar = bars.add_task(job.status, total=100, note="")
        for job in queue.watch(job_id, principal, interval_s=0.25, stopped=lambda: interrupt.cancelled() or stopped()):
            at = job.progress
            stage = at.stage + ("" if at.segment is None else f" segment {at.segment}")
            rate = f"{at.frames_per_s:.0f} frames/s " if at.frames_per_s else ""
            left = f"{at.eta_s:.0f} s to go" if at.eta_s else ""
            bars.update(bar, completed=at.percent, description=stage or job.status, note=rate + left)
    if interrupt.cancelled():
        raise Cancelled(f"no longer watching; job {job_id} goes on", hint=f"stop it with: ugclab jobs cancel {job_id}")
    return queue.get(job_id, principal)


def copy_out(
    queue: Queue,
    job_id: str,
    principal: Principal,
    out: Path,
    report_json: Path | None = None,
    contact_sheet: Path | None = None,
) -> Report:
    """Copy a finished job's video, report and contact sheet to files. Raises JobConflict, StoreCorrupt."""
    for path in (out, report_json, contact_sheet):
        if path is not None:
            check_folder(path)
    job, report = queue.get(job_id, principal), queue.report(job_id, principal)
    if job.output is None:
        raise JobConflict(f"job {job_id} has no result", hint="wait for it, or retry it")
    try:
        queue.store.get_file(job.output.key, out)
        if contact_sheet is not None:
            queue.store.get_file(paths.contact_sheet(job.user, job.project, job_id), contact_sheet)
    except KeyError as error:
        raise JobNotFound(f"the result of job {job_id} is gone from the store", hint="submit it again") from error
    if report_json is not None:
        with whole_file(report_json) as part:
            part.write_text(report.model_dump_json(indent=1) + "\n")
    return report

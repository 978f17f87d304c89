"""The queue at the command line: submit, look, change, work. `ugclab jobs --help`, `ugclab worker --help`."""

import os
import signal
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from ugclab.entrypoints import options, terminal
from ugclab.entrypoints.terminal import print_json
from ugclab.errors import InputError
from ugclab.schema.job import (
    Consent,
    FaceSelector,
    FaceTransformInput,
    JobState,
    JobView,
    Principal,
    Priority,
    Request,
    StitchMode,
)

if TYPE_CHECKING:
    from ugclab.jobs.queue import Queue

LOCAL_USER = "local"

app = typer.Typer(help="Jobs: list, show, watch, cancel, retry, fetch, delete.", no_args_is_help=True)

JobId = Annotated[str, typer.Argument(help="The job's id.", metavar="JOB", show_default=False)]
User = Annotated[str, typer.Option("--user", help="Whose job it is.", metavar="NAME")]
Project = Annotated[str, typer.Option("--project", help="The project it belongs to.", metavar="NAME")]


class PriorityName(StrEnum):
    """The words for priorities."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


def submit(
    source: Annotated[str, typer.Argument(help="The video: a file, https:// or s3://.", show_default=False)],
    avatar: Annotated[str, typer.Argument(help="A photo of the face to put in: the same.", show_default=False)],
    consent: Annotated[
        str,
        typer.Option(
            "--consent",
            help='Who agreed to the use of the face, and when: "NAME, 2026-11-20"; or own-face, or public-domain.',
            show_default=False,
        ),
    ] = "",
    plan: options.Plan = "default",
    face: options.Face = "largest",
    engine: options.Engine = "mesh",
    stitch: options.Stitch = StitchMode.AUTO,
    crf: options.Crf = options.DEFAULTS.crf,
    watermark: options.Watermark = "",
    tone_map: options.ToneMap = False,
    min_swapped: options.MinSwapped = options.DEFAULTS.min_swapped,
    eyewear: options.Eyewear = options.DEFAULTS.eyewear,
    replace: options.Replace = options.DEFAULTS.replace,
    seed: options.Seed = options.DEFAULTS.seed,
    user: User = LOCAL_USER,
    project: Project = "default",
    priority: Annotated[PriorityName, typer.Option("--priority", help="Which jobs go first.")] = PriorityName.MEDIUM,
    webhook: Annotated[str, typer.Option("--webhook", help="Address told of the job's end.", metavar="URL")] = "",
    record_id: Annotated[str, typer.Option("--record-id", help="Your own name for it, told with it.")] = "",
    max_cost_usd: Annotated[
        float | None, typer.Option("--max-cost-usd", help="Refuse what is predicted to cost more.", show_default=False)
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Put a job in line for a worker; the same job again is the one that is there already."""
    from ugclab.jobs.queue import Queue
    from ugclab.pipeline.plan import checked_options
    from ugclab.settings import Settings

    agreed = Consent.parse(consent)
    selector = FaceSelector.parse(face)
    chosen = checked_options(
        face=selector.model_copy(update={"photo": ""}),
        min_swapped=min_swapped,
        stitch=stitch,
        crf=crf,
        watermark=watermark,
        tone_map=tone_map,
        eyewear=eyewear,
        replace=replace,
        seed=seed,
    )
    request = _request(
        input=FaceTransformInput(source=source, avatar=avatar, photo=selector.photo or None, plan=plan),
        principal=_principal(user),
        project=project,
        engine=engine,
        options=chosen,
        priority=Priority[priority.name],
        record_id=record_id,
        webhook_url=webhook,
        consent=agreed,
        max_cost_usd=max_cost_usd,
    )
    with Queue(Settings()) as queue:
        job = queue.submit(request)
    if as_json:
        print_json(job.model_dump(mode="json"))
    else:
        typer.echo(f"{job.job_id} is {job.status}; follow it with: ugclab jobs watch {job.job_id}")


def _request(**values: object) -> Request:
    from pydantic import ValidationError

    try:
        return Request.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{name}={str(first['input'])[:80]!r} is not allowed: {first['msg']}") from error


def _principal(user: str) -> Principal:
    from pydantic import ValidationError

    try:
        return Principal(user=user, trust="local")
    except ValidationError as error:
        raise InputError(f"{user!r} is no name for a user", hint="use letters, digits, - _ . @") from error


def _queue() -> "Queue":
    from ugclab.jobs.queue import Queue
    from ugclab.settings import Settings

    return Queue(Settings())


@app.command(name="list")
def list_jobs(
    status: Annotated[list[JobState] | None, typer.Option("--status", help="Only these.", show_default=False)] = None,
    project: Annotated[str, typer.Option("--project", help="Only of this project.", metavar="NAME")] = "",
    limit: Annotated[int, typer.Option("--limit", help="At most so many, the newest first.", min=1)] = 50,
    as_json: options.Json = False,
) -> None:
    """List jobs; failed ones with their reason."""
    with _queue() as queue:
        found = queue.list(_principal(LOCAL_USER), project=project, states=status or (), limit=limit)
    if as_json:
        print_json([job.model_dump(mode="json") for job in found])
        return
    rows = [
        (j.job_id, j.status, f"{j.progress.percent:.0f} %", f"{j.user}/{j.project}", j.source, _note(j)) for j in found
    ]
    terminal.table(("job", "status", "done", "project", "source", ""), rows)


def _note(job: JobView) -> str:
    if job.error:
        where = job.error.stage + ("" if job.error.segment is None else f" {job.error.segment}")
        return f"{where}: {job.error.message}".strip(": ")
    return job.progress.stage if job.status is JobState.RUNNING else ""


@app.command()
def show(job_id: JobId, as_json: options.Json = False) -> None:
    """Say how a job stands, and where its result is."""
    with _queue() as queue:
        job = queue.get(job_id, _principal(LOCAL_USER))
        link = queue.links.output(job_id)
    if as_json:
        print_json(job.model_dump(mode="json") | {"output_video_url": link})
        return
    show_job(job, link)


def show_job(job: JobView, link: str = "") -> None:
    """A job as lines for a person."""
    rows = [
        ("status", job.status + (f", attempt {job.attempt}" if job.attempt > 1 else "")),
        ("footage", f"{job.source}, plan {job.plan}"),
        ("avatar", job.avatar),
        ("project", f"{job.user}/{job.project}"),
        ("submitted", _local(job.created_at)),
        ("ended", _local(job.ended_at)),
    ]
    if job.status is JobState.RUNNING:
        rows.append(("progress", _progress(job)))
    if job.error:
        rows += [("error", f"{_note(job)} ({job.error.code})"), ("do", job.error.hint)]
    if job.output:
        rows.append(("result", f"{job.output.key}, {job.output.size_bytes / 1e6:.1f} MB"))
        rows.append(("link", link or f"ugclab jobs fetch {job.job_id} --out {job.output.name}"))
    rows += [("warning", w) for w in job.warnings]
    terminal.table(("job", job.job_id), [(name, text) for name, text in rows if text])


def _progress(job: JobView) -> str:
    at = job.progress
    parts = [f"{at.percent:.0f} %", at.stage + ("" if at.segment is None else f" {at.segment}")]
    if at.frames_per_s:
        parts.append(f"{at.frames_per_s:.0f} frames/s")
    if at.eta_s:
        parts.append(f"{at.eta_s:.0f} s to go")
    return ", ".join(parts)


def _local(time: str) -> str:
    return f"{datetime.fromisoformat(time).astimezone():%Y-%m-%d %H:%M:%S}" if time else ""


@app.command()
def watch(job_id: JobId, as_json: options.Json = False, quiet: options.Quiet = False) -> None:
    """Follow a job to its end; the exit code is that of its error, if it fails."""
    from ugclab.entrypoints.following import follow

    with _queue() as queue:
        job = follow(queue, job_id, _principal(LOCAL_USER), quiet=quiet or as_json)
        if as_json:
            print_json(job.model_dump(mode="json") | {"output_video_url": queue.links.output(job_id)})
        elif not quiet:
            show_job(job, queue.links.output(job_id))
    _raise_error(job)


def _raise_error(job: JobView) -> None:
    from ugclab.errors import Cancelled
    from ugclab.jobs.workflows import error_of_job

    if job.error:
        raise error_of_job(job.error)
    if job.status is JobState.CANCELLED:
        raise Cancelled(f"job {job.job_id} was cancelled")


@app.command()
def cancel(job_id: JobId, as_json: options.Json = False) -> None:
    """Stop a job; what is finished of it is kept for a retry."""
    with _queue() as queue:
        _said(queue.cancel(job_id, _principal(LOCAL_USER)), as_json=as_json)


@app.command()
def retry(job_id: JobId, as_json: options.Json = False) -> None:
    """Put a failed or cancelled job in line again: it goes on where it stopped."""
    with _queue() as queue:
        _said(queue.retry(job_id, _principal(LOCAL_USER)), as_json=as_json)


def _said(job: JobView, *, as_json: bool) -> None:
    if as_json:
        print_json(job.model_dump(mode="json"))
    else:
        typer.echo(f"{job.job_id} is {job.status}")


@app.command()
def delete(job_id: JobId) -> None:
    """Delete a job with its result, its report and the record of consent."""
    with _queue() as queue:
        queue.delete(job_id, _principal(LOCAL_USER))
    typer.echo(f"{job_id} is deleted")


@app.command()
def purge(
    user: Annotated[str, typer.Option("--user", help="Whose jobs.", metavar="NAME", show_default=False)],
    project: Annotated[str, typer.Option("--project", help="Only this project's.", metavar="NAME")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a user, or one project, with all jobs, footage, results and records; live jobs are cancelled."""
    what = f"project {user}/{project}" if project else f"user {user} with all projects"
    if not yes:
        typer.confirm(f"delete {what}?", abort=True)
    owner = _principal(LOCAL_USER)
    with _queue() as queue:
        if project:
            queue.delete_project(user, project, owner)
        else:
            queue.delete_user(user, owner)
    typer.echo(f"{what} is deleted")


@app.command()
def fetch(
    job_id: JobId,
    out: Annotated[Path, typer.Option("--out", "-o", help="The result, .mp4.", show_default=False)],
    report_json: options.ReportFile = None,
    contact_sheet: options.Sheet = None,
) -> None:
    """Copy a finished job's video out of the store, checked against its hash."""
    from ugclab.entrypoints.following import copy_out

    with _queue() as queue:
        copy_out(queue, job_id, _principal(LOCAL_USER), out, report_json, contact_sheet)
    typer.echo(str(out))


def worker(
    until_idle: Annotated[bool, typer.Option("--until-idle", help="End when nothing is queued or running.")] = False,
    grace: Annotated[
        float, typer.Option("--grace", help="Seconds that running jobs get to end after SIGTERM.", min=0)
    ] = 30.0,
    slots: Annotated[int, typer.Option("--slots", help="Jobs at once; 0: one a GPU, else one.", min=0)] = 0,
) -> None:
    """Do queued jobs until stopped; jobs of a worker that dies are taken over by the others."""
    import sys

    from ugclab.jobs import logs
    from ugclab.jobs.worker import Worker
    from ugclab.settings import Settings

    settings = Settings()
    logs.configure(json=settings.log_json, stream=sys.stderr, secrets=[settings.webhook_secret])
    running = Worker(settings, slots=slots)

    def stop(number: int, frame: FrameType | None) -> None:
        for again in (signal.SIGINT, signal.SIGTERM):
            signal.signal(again, lambda number, frame: os._exit(130))
        running.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    running.run(grace_s=grace, until_idle=until_idle)
    sys.stderr.flush()
    os._exit(0)  # a thread that still waits for somebody must not keep a stopped worker

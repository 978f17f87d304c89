"""A job's row: how it is read, and the few ways in which it may change.

Every change names the state it starts from, so of two that race one wins and the other learns that it lost. A run of a
workflow first claims its job; with the claim it may report and end it, until somebody else claims it.
"""

import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from ugclab.jobs import events, orders
from ugclab.jobs.database import Database
from ugclab.jobs.flow import NOTIFY, Flow
from ugclab.jobs.schema import ENDED, LIVE, jobs, outbox
from ugclab.jobs.webhooks import Notification
from ugclab.pipeline.plan import fixed_plan
from ugclab.schema.ids import new_ulid
from ugclab.schema.job import JobError, JobProgress, JobState, JobView, Priority, Request, SegmentProgress
from ugclab.schema.media import Asset
from ugclab.schema.plan import Action, SegmentPlan

HANDED_ON = ".i"
"""How the id of a workflow ends that goes on where the one that fetched the inputs ended."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job in the hands of one run of one workflow."""

    job_id: str
    attempt: int
    claim: str
    request: Request


def view(row: sa.Row[Any]) -> JobView:
    """A row as its owner sees it."""
    request = Request.model_validate_json(row.request)
    state, progress = JobState(row.state), JobProgress.model_validate_json(row.progress)
    return JobView(
        job_id=row.job_id,
        status=state,
        user=row.user,
        project=row.project,
        type=request.type,
        engine=request.engine,
        priority=Priority(row.priority),
        record_id=request.record_id,
        source=_name(request.input.source),
        avatar=_name(request.input.avatar),
        plan=request.input.plan,
        attempt=row.attempt,
        recoveries=row.recoveries,
        progress=progress,
        segments=_segments(request, progress, state),
        error=JobError.model_validate_json(row.error) if row.error else None,
        output=Asset.model_validate_json(row.output) if row.output else None,
        warnings=tuple(json.loads(row.warnings)),
        created_at=_iso(row.created_at),
        started_at=_iso(row.started_at),
        ended_at=_iso(row.ended_at),
        cost_usd=row.cost_usd,
    )


def _segments(request: Request, progress: JobProgress, state: JobState) -> tuple[SegmentProgress, ...]:
    """How far each segment is; nothing while nobody knows what the segments will be."""
    source = request.input.source
    if not isinstance(source, Asset) or source.info is None:
        return ()
    plan = fixed_plan(progress.plan or request.input.plan, source.info)
    return progress_of_segments(plan, progress, state) if plan else ()


def progress_of_segments(plan: SegmentPlan, progress: JobProgress, state: JobState) -> tuple[SegmentProgress, ...]:
    """What of each segment is done: those to swap in their order, then the untouched as stitching comes past them."""
    at = float(plan.duration) * progress.share

    def done(index: int, start: float, end: float, action: Action) -> float:
        if state is JobState.SUCCEEDED or progress.stage == "publish":
            return 1.0
        if action is Action.SWAP:
            if progress.stage == "swap" and progress.segment is not None:
                return progress.share if index == progress.segment else float(index < progress.segment)
            return float(progress.stage == "stitch")
        return min(1.0, max(0.0, (at - start) / (end - start))) if progress.stage == "stitch" else 0.0

    return tuple(
        SegmentProgress(segment=s, done=round(done(s.index, float(s.range.start), float(s.range.end), s.action), 3))
        for s in plan.segments
    )


def _name(given: Asset | str) -> str:
    """A file's name, or an address without what may be secret in it."""
    if isinstance(given, Asset):
        return given.name
    address = given.partition("?")[0].partition("#")[0]
    scheme, separator, rest = address.rpartition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"


def _iso(seconds: float | None) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds") if seconds else ""


def insert(
    connection: sa.Connection, database: Database, request: Request, key: str, media_s: float, workflow_id: str
) -> str:
    """Write a new job and return its id, which the workflow's id begins with. Raises IntegrityError for a taken key."""
    job_id = workflow_id.partition(".")[0]
    connection.execute(
        jobs.insert().values(
            job_id=job_id,
            key=key,
            user=request.principal.user,
            project=request.project,
            state=JobState.QUEUED,
            priority=int(request.priority),
            request=request.model_dump_json(),
            media_s=media_s,
            workflow_id=workflow_id,
            created_at=database.now(),
        )
    )
    events.note(connection, database, job_id, "queued")
    return job_id


def claim(database: Database, workflow_id: str) -> Claimed | None:
    """Take the job of a workflow into this run's hands; None where it has ended, was deleted or belongs to another."""
    taken = secrets.token_hex(8)
    with database.transaction() as connection:
        before = connection.execute(sa.select(jobs.c.claim).where(jobs.c.workflow_id == workflow_id)).scalar()
        row = connection.execute(
            jobs.update()
            .where(jobs.c.workflow_id == workflow_id, jobs.c.state.in_(LIVE))
            .values(
                state=JobState.RUNNING,
                claim=taken,
                recoveries=jobs.c.recoveries + sa.case((jobs.c.claim != "", 1), else_=0),
                started_at=sa.func.coalesce(jobs.c.started_at, database.now()),
            )
            .returning(jobs.c.job_id, jobs.c.attempt, jobs.c.request)
        ).one_or_none()
        if row is None:
            return None
        if before or not workflow_id.endswith(HANDED_ON):
            events.note(connection, database, row.job_id, "taken_over" if before else "begun")
    return Claimed(row.job_id, row.attempt, taken, Request.model_validate_json(row.request))


def report_progress(database: Database, held: Claimed, progress: JobProgress) -> bool:
    """Write how far it is; False if the job is no longer this run's to do."""
    with database.transaction() as connection:
        return _mine(connection, held, {"progress": progress.model_dump_json()})


def keep_inputs(connection: sa.Connection, held: Claimed, request: Request, media_s: float, next_id: str) -> bool:
    """Put what was fetched in the place of its addresses, and hand the job on to the next workflow."""
    values = {"request": request.model_dump_json(), "media_s": media_s, "workflow_id": next_id, "claim": ""}
    return _mine(connection, held, values | {"state": JobState.QUEUED})


def _mine(connection: sa.Connection, held: Claimed, values: dict[str, Any]) -> bool:
    done = connection.execute(
        jobs.update()
        .where(jobs.c.job_id == held.job_id, jobs.c.claim == held.claim, jobs.c.state == JobState.RUNNING)
        .values(**values)
    )
    return done.rowcount == 1


def end(
    connection: sa.Connection,
    database: Database,
    flow: Flow,
    job_id: str,
    state: JobState,
    *,
    claim: str | None = None,
    workflow_id: str | None = None,
    error: JobError | None = None,
    output: Asset | None = None,
    warnings: tuple[str, ...] = (),
    cost_usd: float = 0.0,
    summary: dict[str, Any] | None = None,
    public_url: str = "",
) -> bool:
    """Bring a live job to its end and put the news of it in the outbox; False if it has ended or is another's.

    The link's token is made here; `public_url` may hold `{token}` for it.
    """
    token = secrets.token_urlsafe(24) if output else ""
    where = [jobs.c.job_id == job_id, jobs.c.state.in_(LIVE)]
    if claim is not None:
        where.append(jobs.c.claim == claim)
    if workflow_id is not None:
        where.append(jobs.c.workflow_id == workflow_id)
    values: dict[str, Any] = {
        "state": state,
        "claim": "",
        "error": error.model_dump_json() if error else "",
        "output": output.model_dump_json() if output else "",
        "warnings": json.dumps(warnings),
        "cost_usd": cost_usd,
        "token": token,
        "ended_at": database.now(),
    }
    if state is JobState.SUCCEEDED:
        values["progress"] = JobProgress(percent=100.0, stage="publish").model_dump_json()
    row = connection.execute(
        jobs.update().where(*where).values(**values).returning(jobs.c.request, jobs.c.attempt)
    ).one_or_none()
    if row is None:
        return False
    said = error or JobError(code="", message="")
    stage = said.stage if said.segment is None else f"{said.stage} {said.segment}"
    events.note(connection, database, job_id, state, stage=stage, text=said.message)
    request = Request.model_validate_json(row.request)
    notification = Notification(
        record_id=request.record_id,
        job_id=job_id,
        status=state,
        output_video_url=public_url.replace("{token}", token) if output else "",
        error=error,
        report=summary,
    )
    body = notification.body().decode()
    _post(connection, database, flow, job_id, body, request.webhook_url, row.attempt)
    for order in orders.of_job(connection, job_id):
        tell_caller(connection, database, flow, order)
    return True


def tell_caller(connection: sa.Connection, database: Database, flow: Flow, order: sa.Row[Any]) -> None:
    """Put the news of an ended job in the outbox for one caller who ordered it; nothing without a receiver."""
    row = find(connection, order.job_id)
    if not order.callback_url or row is None or row.state not in ENDED:
        return
    news = connection.execute(
        sa.select(outbox.c.payload).where(
            outbox.c.job_id == row.job_id, outbox.c.attempt == row.attempt, outbox.c.receiver == ""
        )
    ).scalar_one_or_none()
    said = Notification.model_validate_json(news) if news else None  # news that were told are kept for a while only
    link, report = (said.output_video_url, said.report) if said else ("", None)
    body = orders.told(order, view(row), row.token, link, report)
    receiver = f"{order.door}:{order.name}"
    _post(connection, database, flow, order.job_id, body, order.callback_url, row.attempt, receiver)


def _post(
    connection: sa.Connection,
    database: Database,
    flow: Flow,
    job_id: str,
    body: str,
    url: str,
    attempt: int,
    receiver: str = "",
) -> None:
    """Write the outbox row of a job's end for one receiver, and put its first delivery in line."""
    event_id = f"msg_{new_ulid()}"
    connection.execute(
        outbox.insert().values(
            event_id=event_id,
            job_id=job_id,
            attempt=attempt,
            receiver=receiver,
            url=url,
            payload=body,
            status="pending" if url else "none",
            created_at=database.now(),
        )
    )
    if url:
        flow.enqueue(connection, NOTIFY, f"{event_id}.0", event_id, 0)


def find(connection: sa.Connection, job_id: str) -> sa.Row[Any] | None:
    """The row of a job."""
    return connection.execute(jobs.select().where(jobs.c.job_id == job_id)).one_or_none()


def listed(
    connection: sa.Connection,
    *,
    user: str = "",
    project: str = "",
    states: tuple[str, ...] = (),
    record_id: str = "",
    limit: int = 50,
    before: str | None = None,
) -> list[sa.Row[Any]]:
    """Rows, the newest first. Pages follow the ids: each begins after the id `before`, the first after none ("")."""
    query = jobs.select().limit(limit)
    if before is None:
        query = query.order_by(jobs.c.created_at.desc(), jobs.c.job_id.desc())
    else:
        query = query.order_by(jobs.c.job_id.desc())
    if before:
        query = query.where(jobs.c.job_id < before)
    if user:
        query = query.where(jobs.c.user == user)
    if project:
        query = query.where(jobs.c.project == project)
    if states:
        query = query.where(jobs.c.state.in_(states))
    if record_id:  # as the document has it; nothing else of a request is called so
        query = query.where(jobs.c.request.contains(f'"record_id":{json.dumps(record_id)}', autoescape=True))
    return list(connection.execute(query))


def ended_before(connection: sa.Connection, seconds: sa.ColumnElement[float], limit: int = 100) -> list[str]:
    """Ids of jobs that ended before a time by the database's clock."""
    query = sa.select(jobs.c.job_id).where(jobs.c.state.in_(ENDED), jobs.c.ended_at < seconds).limit(limit)
    return list(connection.execute(query).scalars())

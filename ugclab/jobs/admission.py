"""Whether a request is let in: the key that makes it unique, and limits. Pure but for counting rows."""

from urllib.parse import urlsplit, urlunsplit

import sqlalchemy as sa

from ugclab.errors import LimitReached
from ugclab.jobs.schema import LIVE, jobs
from ugclab.schema.job import Principal, Request
from ugclab.schema.media import Asset
from ugclab.settings import Settings
from ugclab.storage.artefacts import canonical_key

_DAY_S = 86_400.0


def idempotency_key(request: Request, same_as: str = "") -> str:
    """Hash of who asks for what: the content's hash where it is known, else the address without its signature.

    `same_as` is a caller's own word for what it asks for, and then takes the place of all that but user and project:
    for callers whose addresses are new ones each time.
    """
    given = request.input
    if same_as:
        words = {"user": request.principal.user, "project": request.project, "type": request.type, "same_as": same_as}
        return canonical_key(words)
    inputs = {name: _identity(value) for name in ("source", "avatar", "photo") if (value := getattr(given, name))}
    fetched = any(isinstance(getattr(given, name), str) for name in inputs)
    return canonical_key(
        {
            "user": request.principal.user,
            "project": request.project,
            "type": request.type,
            "inputs": inputs,
            "record_id": request.record_id if fetched else "",
            "plan": given.plan,
            "engine": request.engine,
            "options": request.options.model_dump(mode="json"),
        }
    )


def _identity(value: Asset | str) -> str:
    if isinstance(value, Asset):
        return value.sha256
    parts = urlsplit(value)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def check_limits(
    connection: sa.Connection, request: Request, media_s: float, settings: Settings, now: sa.ColumnElement[float]
) -> None:
    """Raise LimitReached if too many jobs are under way, this user's or everybody's, or today's minutes are used up."""
    user = request.principal.user
    if connection.dialect.name == "postgresql":  # two submits of one user wait for each other; SQLite has one writer
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(f"ugclab {user}"))))
    active = connection.execute(
        sa.select(sa.func.count()).select_from(jobs).where(jobs.c.user == user, jobs.c.state.in_(LIVE))
    ).scalar_one()
    most = request.principal.max_active_jobs or settings.max_active_jobs
    if active >= most:
        raise LimitReached(
            f"{active} jobs of '{user}' are queued or running, {most} are allowed",
            hint="wait for one to end, or cancel one: ugclab jobs list",
        )
    waiting = connection.execute(
        sa.select(sa.func.count()).select_from(jobs).where(jobs.c.state.in_(LIVE))
    ).scalar_one()
    if waiting >= settings.max_waiting_jobs:
        raise LimitReached(f"{waiting} jobs wait already, no more are taken", hint="try again when some have ended")
    check_minutes(connection, request.principal, media_s, settings, now)


def check_minutes(
    connection: sa.Connection,
    principal: Principal,
    media_s: float,
    settings: Settings,
    now: sa.ColumnElement[float],
    *,
    but: str = "",
) -> None:
    """Raise LimitReached if `media_s` more would be too much; the job `but` is not counted."""
    user, most = principal.user, principal.max_minutes_per_day or settings.max_minutes_per_day
    used = connection.execute(
        sa.select(sa.func.coalesce(sa.func.sum(jobs.c.media_s), 0.0)).where(
            jobs.c.user == user, jobs.c.created_at > now - _DAY_S, jobs.c.state != "cancelled", jobs.c.job_id != but
        )
    ).scalar_one()
    if used + media_s > most * 60:
        raise LimitReached(
            f"'{user}' has submitted {used / 60:.1f} minutes of video in 24 hours; {media_s / 60:.1f} more would pass "
            f"the {most:g} that are allowed",
            hint="submit it tomorrow, or ask the operator (UGCLAB_MAX_MINUTES_PER_DAY)",
        )

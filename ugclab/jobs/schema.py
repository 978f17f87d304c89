"""Our own tables, in the queue's database: numbered migrations, run by whoever starts first.

A migration is never edited once released; what changes is a new one at the end. Times are seconds since 1970 by the
database's clock, documents are JSON text of the schema's types.
"""

from collections.abc import Callable

import sqlalchemy as sa

from ugclab.schema.job import JobState

metadata = sa.MetaData()

ENDED = tuple(state.value for state in JobState if state.terminal)
LIVE = tuple(state.value for state in JobState if not state.terminal)

jobs = sa.Table(
    "ugclab_jobs",
    metadata,
    sa.Column("job_id", sa.String(26), primary_key=True),
    sa.Column("key", sa.String(64), nullable=False, comment="idempotency: at most one job that has not failed"),
    sa.Column("user", sa.String(64), nullable=False),
    sa.Column("project", sa.String(64), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("request", sa.Text, nullable=False, comment="with what was fetched in place of its address"),
    sa.Column("media_s", sa.Float, nullable=False, default=0.0, comment="length of the footage, once known"),
    sa.Column("attempt", sa.Integer, nullable=False, default=1),
    sa.Column("workflow_id", sa.String(64), nullable=False, comment="the workflow that may change this row"),
    sa.Column("claim", sa.String(32), nullable=False, default="", comment="the run of it that may"),
    sa.Column("recoveries", sa.Integer, nullable=False, default=0),
    sa.Column("progress", sa.Text, nullable=False, default="{}"),
    sa.Column("error", sa.Text, nullable=False, default=""),
    sa.Column("output", sa.Text, nullable=False, default=""),
    sa.Column("warnings", sa.Text, nullable=False, default="[]"),
    sa.Column("cost_usd", sa.Float, nullable=False, default=0.0),
    sa.Column("token", sa.String(64), nullable=False, default="", comment="of the stable link to the result"),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("started_at", sa.Float),
    sa.Column("ended_at", sa.Float),
    sa.Index("ugclab_jobs_of_user", "user", "created_at"),
    sa.Index("ugclab_jobs_by_state", "state", "ended_at"),
    sa.Index("ugclab_jobs_by_token", "token"),
)
sa.Index(
    "ugclab_jobs_one_per_key",
    jobs.c.key,
    unique=True,
    sqlite_where=jobs.c.state.not_in(("failed", "cancelled")),
    postgresql_where=jobs.c.state.not_in(("failed", "cancelled")),
)

outbox = sa.Table(
    "ugclab_outbox",
    metadata,
    sa.Column("event_id", sa.String(40), primary_key=True),
    sa.Column("job_id", sa.String(26), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("status", sa.String(16), nullable=False, comment="none, pending, delivered, refused, given_up"),
    sa.Column("tries", sa.Integer, nullable=False, default=0),
    sa.Column("last_error", sa.Text, nullable=False, default=""),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("delivered_at", sa.Float),
    sa.UniqueConstraint("job_id", "attempt", name="ugclab_outbox_one_per_attempt"),
    sa.Index("ugclab_outbox_by_status", "status"),
)

workers = sa.Table(
    "ugclab_workers",
    metadata,
    sa.Column("executor_id", sa.String(128), primary_key=True),
    sa.Column("version", sa.String(64), nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("slots", sa.Integer, nullable=False),
    sa.Column("device", sa.String(64), nullable=False),
    sa.Column("state", sa.String(16), nullable=False, comment="alive, draining, stopped, dead"),
    sa.Column("started_at", sa.Float, nullable=False),
    sa.Column("beat_at", sa.Float, nullable=False),
)


def _remember_deletions(connection: sa.Connection) -> None:
    deletions.create(connection)


deletions = sa.Table(
    "ugclab_deletions",
    metadata,
    sa.Column("id", sa.String(26), primary_key=True),
    sa.Column("user", sa.String(64), nullable=False),
    sa.Column("project", sa.String(64), nullable=False, comment="empty: the user with all projects"),
    sa.Column("job_id", sa.String(26), nullable=False, comment="empty: the project with all jobs"),
    sa.Column("at", sa.Float, nullable=False),
)
"""What was deleted while a worker may still have been writing: swept again until no such worker can be left."""


def _remember_looks(connection: sa.Connection) -> None:
    seen.create(connection)


seen = sa.Table(
    "ugclab_seen",
    metadata,
    sa.Column("folder", sa.String(400), primary_key=True, comment="of the pictures, in the store"),
    sa.Column("user", sa.String(64), nullable=False),
    sa.Column("project", sa.String(64), nullable=False),
    sa.Column("assets", sa.Text, nullable=False, comment="keys of what it shows, one a line"),
    sa.Column("answer", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Index("ugclab_seen_of_project", "user", "project"),
    sa.Index("ugclab_seen_by_time", "at"),
)
"""Answers to looks: the same look again is answered from here, and nothing is shown for longer than what it shows."""


def _remember_inputs(connection: sa.Connection) -> None:
    inputs.create(connection)


inputs = sa.Table(
    "ugclab_inputs",
    metadata,
    sa.Column("user", sa.String(64), primary_key=True),
    sa.Column("project", sa.String(64), primary_key=True),
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("asset", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False, comment="when it was brought, the last time"),
    sa.Index("ugclab_inputs_by_time", "at"),
)
"""Files brought for jobs that may never be submitted."""


def _begin(connection: sa.Connection) -> None:
    for table in (jobs, outbox, workers):
        table.create(connection)


def _remember_events(connection: sa.Connection) -> None:
    events.create(connection)


events = sa.Table(
    "ugclab_events",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("job_id", sa.String(26), nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("what", sa.String(16), nullable=False, comment="a kind of JobEvent"),
    sa.Column("stage", sa.String(32), nullable=False, default=""),
    sa.Column("seconds", sa.Float),
    sa.Column("text", sa.Text, nullable=False, default=""),
    sa.Index("ugclab_events_of_job", "job_id"),
)
"""A job's own log: what its owner may read of it. The worker's log is the operator's."""


MIGRATIONS: tuple[Callable[[sa.Connection], None], ...] = (
    _begin,
    _remember_deletions,
    _remember_looks,
    _remember_inputs,
    _remember_events,
)

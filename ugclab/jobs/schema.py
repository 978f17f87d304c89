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
    sa.Column("receiver", sa.String(160), nullable=False, server_default="", comment="empty: the job's own webhook"),
    sa.UniqueConstraint("job_id", "attempt", "receiver", name="ugclab_outbox_one_per_receiver"),
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
    sa.Column("loaded", sa.Text, nullable=False, server_default="", comment="engines that are set up, with commas"),
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


def _open_doors(connection: sa.Connection) -> None:
    """Keys, orders and uploads of the HTTP server; several receivers of one job's end; what workers have loaded."""
    for table in (keys, orders, uploads):
        table.create(connection)
    there = sa.inspect(connection)
    if all(column["name"] != "loaded" for column in there.get_columns(workers.name)):
        connection.execute(sa.text(f"ALTER TABLE {workers.name} ADD COLUMN loaded TEXT DEFAULT '' NOT NULL"))
    if all(column["name"] != "receiver" for column in there.get_columns(outbox.name)):
        _widen_outbox(connection)


def _widen_outbox(connection: sa.Connection) -> None:
    """Let a job's end have several receivers: SQLite cannot change a constraint, so the table is made anew."""
    connection.execute(sa.text("DROP INDEX ugclab_outbox_by_status"))
    connection.execute(sa.text(f"ALTER TABLE {outbox.name} RENAME TO ugclab_outbox_before"))
    if connection.dialect.name == "postgresql":  # whose constraints keep their names, and names are a schema's
        connection.execute(sa.text("ALTER INDEX ugclab_outbox_pkey RENAME TO ugclab_outbox_before_pkey"))
    outbox.create(connection)
    names = ", ".join(column.name for column in outbox.columns if column.name != "receiver")
    connection.execute(
        sa.text(f"INSERT INTO {outbox.name} ({names}) SELECT {names} FROM ugclab_outbox_before")  # noqa: S608 our own names
    )
    connection.execute(sa.text("DROP TABLE ugclab_outbox_before"))


keys = sa.Table(
    "ugclab_keys",
    metadata,
    sa.Column("key_id", sa.String(16), primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False, comment="sha256 of the secret part: the key itself is nowhere"),
    sa.Column("label", sa.String(80), nullable=False, comment="the operator's own word for it"),
    sa.Column("user", sa.String(64), nullable=False),
    sa.Column("trust", sa.String(16), nullable=False, comment="service or public"),
    sa.Column("scopes", sa.String(200), nullable=False, comment="with commas"),
    sa.Column("max_active_jobs", sa.Integer, comment="empty: the installation's"),
    sa.Column("max_minutes_per_day", sa.Float, comment="empty: the installation's"),
    sa.Column("requests_per_minute", sa.Integer, comment="empty: the installation's"),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("expires_at", sa.Float),
    sa.Column("revoked_at", sa.Float),
    sa.Column("used_at", sa.Float),
)

orders = sa.Table(
    "ugclab_orders",
    metadata,
    sa.Column("user", sa.String(64), primary_key=True),
    sa.Column("door", sa.String(16), primary_key=True, comment="execute, run, or key: an Idempotency-Key"),
    sa.Column("name", sa.String(128), primary_key=True, comment="the caller's own, unique at its door"),
    sa.Column("job_id", sa.String(26), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False, comment="of what was asked, so that a reused name is seen"),
    sa.Column("callback_url", sa.Text, nullable=False),
    sa.Column("root", sa.Text, nullable=False, comment="the address this server was asked at, for links"),
    sa.Column("told", sa.Text, nullable=False, comment="what the receiver was told last, but for the end"),
    sa.Column("told_at", sa.Float, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Index("ugclab_orders_of_job", "job_id"),
)
"""Jobs under the names their callers know them by."""

uploads = sa.Table(
    "ugclab_uploads",
    metadata,
    sa.Column("upload_id", sa.String(26), primary_key=True),
    sa.Column("user", sa.String(64), nullable=False),
    sa.Column("project", sa.String(64), nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("key", sa.Text, nullable=False, comment="where a presigned upload arrives; empty where none was given"),
    sa.Column("at", sa.Float, nullable=False),
    sa.Index("ugclab_uploads_by_time", "at"),
)
"""Leave that was given to bring a file, and was not used yet."""


MIGRATIONS: tuple[Callable[[sa.Connection], None], ...] = (
    _begin,
    _remember_deletions,
    _remember_looks,
    _remember_inputs,
    _remember_events,
    _open_doors,
)

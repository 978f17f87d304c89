"""The adapter to DBOS, the engine of the queue: which queues and workflows there are, and how they are put in line.

Everything here that takes a connection happens in the caller's transaction, so that a job's row and its workflow appear
together or not at all.
"""

from functools import cached_property
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from ugclab.jobs.database import Database
from ugclab.jobs.schema import LIVE, jobs, outbox

if TYPE_CHECKING:
    from dbos import DBOSClient

STAGES_VERSION = "stages-1"
"""Raised when the stages of a job change so that a half-done one cannot go on: workers of another version let it be."""

INGEST, JOBS, NOTIFY = "ugclab-ingest", "ugclab-jobs", "ugclab-notify"
"""Queues: fetching at once, the work itself, telling. A workflow each."""

LOOK, STUDY, PROOF = "ugclab-look", "ugclab-study", "ugclab-proof"
"""Queues of what somebody waits for at a page, by how long it takes, so that no glance waits behind a study."""

PRIORITY_OF_NOTICES = 10

_UNFINISHED = ("ENQUEUED", "DELAYED", "PENDING")


class Flow:
    """Puts workflows in line and takes them out again."""

    def __init__(self, database: Database, version: str = STAGES_VERSION) -> None:
        self.database = database
        self.version = version

    @cached_property
    def client(self) -> "DBOSClient":
        """DBOS's own client over our connections; the tables are made first."""
        from dbos import DBOSClient, DBOSPortableJSONSerializer

        self.database.prepare()
        return DBOSClient(
            system_database_engine=self.database.engine,
            serializer=DBOSPortableJSONSerializer(),
            retry_connection_errors=False,
            lazy=True,
        )

    def enqueue(
        self,
        connection: sa.Connection,
        queue: str,
        workflow_id: str,
        *arguments: str | int,
        priority: int = PRIORITY_OF_NOTICES,
        delay_s: float = 0.0,
    ) -> None:
        """Put the queue's workflow in line, with a priority always: DBOS runs those without one before all others."""
        options: dict[str, Any] = {
            "workflow_name": queue,
            "queue_name": queue,
            "workflow_id": workflow_id,
            "app_version": self.version,
            "priority": priority,
        }
        if delay_s > 0:
            options["delay_seconds"] = delay_s
        self.client.enqueue_in_transaction(connection, options, *arguments)  # type: ignore[arg-type]

    def cancel(self, workflow_id: str) -> None:
        """Take a workflow out; one that runs stops at its next step, our own claim stops it sooner."""
        self.client.cancel_workflow(workflow_id)

    def forget(self, prefixes: list[str]) -> None:
        """Stop and delete the workflows whose ids begin so: all of a job, or all deliveries of an event."""
        if not prefixes:
            return
        found = self.client.list_workflows(workflow_id_prefix=prefixes, load_input=False, load_output=False)
        if ids := [w.workflow_id for w in found if w.workflow_id.startswith(tuple(prefixes))]:  # LIKE takes _ for any
            self.client.cancel_workflows(ids)
            self.client.delete_workflows(ids)

    def outcome(self, workflow_id: str) -> tuple[str, Any, float] | None:
        """DBOS's word for a workflow, what it returned, and when it was put in line; None where there is none."""
        found = self.client.list_workflows(workflow_ids=[workflow_id], load_input=False)
        return (str(found[0].status), found[0].output, (found[0].created_at or 0) / 1000) if found else None

    def forget_looks(self, before: str) -> None:
        """Delete what was asked for and answered before a time, ISO 8601."""
        found = self.client.list_workflows(
            name=[LOOK, STUDY, PROOF], completed_before=before, load_input=False, load_output=False
        )
        self.client.delete_workflows([w.workflow_id for w in found])

    def give_up(self, prefix: str) -> None:
        """Cancel the unfinished workflows whose ids begin so; whoever is at one of them learns it by `status`."""
        found = self.client.list_workflows(
            workflow_id_prefix=prefix, status=list(_UNFINISHED), load_input=False, load_output=False
        )
        if ids := [w.workflow_id for w in found if w.workflow_id.startswith(prefix)]:  # LIKE takes _ for any
            self.client.cancel_workflows(ids)

    def status(self, workflow_id: str) -> str:
        """DBOS's word for a workflow, empty where there is none: one row by its key."""
        theirs = self._workflows
        with self.database.reading() as connection:
            query = sa.select(theirs.c.status).where(theirs.c.workflow_uuid == workflow_id)
            return str(connection.execute(query).scalar_one_or_none() or "")

    def standing(self, connection: sa.Connection) -> list[sa.Row[Any]]:
        """Live jobs whose workflow has ended or waits for another version: job_id, workflow_id, status, version.

        Read from DBOS's own table, since both lie in one database: one statement instead of one a job.
        """
        theirs = self._workflows
        query = (
            sa.select(jobs.c.job_id, jobs.c.workflow_id, theirs.c.status, theirs.c.application_version.label("version"))
            .join(theirs, theirs.c.workflow_uuid == jobs.c.workflow_id)
            .where(jobs.c.state.in_(LIVE))
            .where(sa.or_(theirs.c.status.not_in(_UNFINISHED), theirs.c.application_version != self.version))
        )
        return list(connection.execute(query))

    def untold(self, connection: sa.Connection) -> list[sa.Row[Any]]:
        """News still to be told that no workflow will tell: event_id, tries."""
        theirs = self._workflows
        due = outbox.c.event_id + "." + sa.cast(outbox.c.tries, sa.String)
        query = (
            sa.select(outbox.c.event_id, outbox.c.tries)
            .join(theirs, theirs.c.workflow_uuid == due)
            .where(outbox.c.status == "pending")
            .where(sa.or_(theirs.c.status.not_in(_UNFINISHED), theirs.c.application_version != self.version))
        )
        return list(connection.execute(query))

    @property
    def _workflows(self) -> sa.TableClause:
        return sa.table(
            "workflow_status",
            sa.column("workflow_uuid"),
            sa.column("status"),
            sa.column("application_version"),
            schema=None if self.database.is_sqlite else "dbos",
        )

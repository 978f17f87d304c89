"""Deleting a job, a project or a user: one call, and nothing stays. A worker that still writes is swept after."""

import shutil

import sqlalchemy as sa

from ugclab.jobs import events, orders, records
from ugclab.jobs.database import Database
from ugclab.jobs.flow import Flow
from ugclab.jobs.inputs import Inputs
from ugclab.jobs.looks import Sights
from ugclab.jobs.schema import deletions, jobs, outbox, seen, uploads
from ugclab.schema.ids import new_ulid
from ugclab.schema.job import JobState, Request
from ugclab.schema.media import Asset
from ugclab.settings import Settings
from ugclab.storage import paths
from ugclab.storage.store import Store

_REMEMBERED_S = 86_400.0


class Deletion:
    """What is deleted where: rows, workflows, objects, artefacts."""

    def __init__(self, database: Database, flow: Flow, store: Store, settings: Settings) -> None:
        self._database = database
        self._flow = flow
        self._store = store
        self._settings = settings
        self._sights = Sights(database)

    def job(self, job_id: str) -> None:
        """Delete a job and what only it used."""
        with self._database.transaction() as connection:
            row = records.find(connection, job_id)
            if row is None:
                return
            self._forget(connection, [row])
            request = Request.model_validate_json(row.request)
            given = request.input
            assets = {a.key for a in (given.source, given.avatar, given.photo) if isinstance(a, Asset)}
            unused = assets - self._used(connection, row.user, row.project)
            looks = self._sights.forget(connection, row.user, row.project, assets=unused, job_id=job_id)
            Inputs.forget(connection, row.user, row.project, unused)
        self._flow.forget([job_id])
        for key in (*unused, *looks):
            self._store.delete_prefix(key)
        for key in paths.of_job(row.user, row.project, job_id):
            self._store.delete_prefix(key)

    def project(self, user: str, project: str) -> None:
        """Delete a project: its jobs, sources, results and artefacts."""
        self._all(user, project)

    def user(self, user: str) -> None:
        """Delete a user with every project."""
        self._all(user, "")

    def old_inputs(self, old: list[tuple[str, str, Asset]]) -> None:
        """Delete what was brought and lay about: the file too where no job uses it, and what was seen of it."""
        for user, project, asset in old:
            with self._database.transaction() as connection:
                Inputs.forget(connection, user, project, {asset.key})
                if asset.key in self._used(connection, user, project):
                    continue
                looks = self._sights.forget(connection, user, project, assets={asset.key})
            for key in (asset.key, *looks):
                self._store.delete_prefix(key)

    def old_uploads(self, keep_s: float) -> None:
        """Forget leave to bring a file that was not used for so long, and delete what has arrived by it."""
        with self._database.transaction() as connection:
            old = uploads.delete().where(uploads.c.at < self._database.now() - keep_s).returning(uploads.c.key)
            gone = [key for key in connection.execute(old).scalars() if key]
        for key in gone:
            self._store.delete_prefix(key)

    def old_looks(self, keep_s: float) -> None:
        """Delete what was seen longer ago than that."""
        with self._database.transaction() as connection:
            gone = self._sights.forget_before(connection, self._database.now() - keep_s)
        for folder in gone:
            self._store.delete_prefix(folder)

    def sweep(self) -> None:
        """Delete again what a worker wrote after its job was deleted; forget deletions no worker can have outlived."""
        with self._database.transaction() as connection:
            connection.execute(deletions.delete().where(deletions.c.at < self._database.now() - _REMEMBERED_S))
            rows = list(connection.execute(deletions.select()))
        for row in rows:
            if row.job_id:
                for key in paths.of_job(row.user, row.project, row.job_id):
                    self._store.delete_prefix(key)
            elif not self._has_jobs(row.user, row.project):
                self._remove_artefacts(row.user, row.project)

    def _all(self, user: str, project: str) -> None:
        with self._database.transaction() as connection:
            where = [jobs.c.user == user] + ([jobs.c.project == project] if project else [])
            rows = list(connection.execute(jobs.select().where(*where)))
            self._forget(connection, rows)
            self._remember(connection, user, project, "")
            connection.execute(
                seen.delete().where(seen.c.user == user, *([seen.c.project == project] if project else []))
            )
            Inputs.forget(connection, user, project)
            brought = [uploads.c.user == user] + ([uploads.c.project == project] if project else [])
            connection.execute(uploads.delete().where(*brought))
        self._flow.forget([*(row.job_id for row in rows), f"look/{user}/" + (f"{project}/" if project else "")])
        self._store.delete_prefix(paths.project_prefix(user, project) if project else paths.user_prefix(user))
        self._remove_artefacts(user, project)

    def _forget(self, connection: sa.Connection, rows: list[sa.Row[tuple[object, ...]]]) -> None:
        """End what is alive, so that nobody waits for its news, and delete the rows."""
        for row in rows:
            if records.end(connection, self._database, self._flow, row.job_id, JobState.CANCELLED):
                self._remember(connection, row.user, row.project, row.job_id)
            connection.execute(outbox.delete().where(outbox.c.job_id == row.job_id, outbox.c.status != "pending"))
            events.forget(connection, row.job_id)
            orders.forget(connection, row.job_id)
            connection.execute(jobs.delete().where(jobs.c.job_id == row.job_id))

    def _remember(self, connection: sa.Connection, user: str, project: str, job_id: str) -> None:
        connection.execute(
            deletions.insert().values(id=new_ulid(), user=user, project=project, job_id=job_id, at=self._database.now())
        )

    def _used(self, connection: sa.Connection, user: str, project: str) -> set[str]:
        """Keys of the assets that a project's jobs still name."""
        rows = connection.execute(
            sa.select(jobs.c.request).where(jobs.c.user == user, jobs.c.project == project)
        ).scalars()
        given = [Request.model_validate_json(text).input for text in rows]
        return {a.key for g in given for a in (g.source, g.avatar, g.photo) if isinstance(a, Asset)}

    def _has_jobs(self, user: str, project: str) -> bool:
        where = [jobs.c.user == user] + ([jobs.c.project == project] if project else [])
        with self._database.reading() as connection:
            return connection.execute(sa.select(sa.func.count()).select_from(jobs).where(*where)).scalar_one() > 0

    def _remove_artefacts(self, user: str, project: str) -> None:
        prefix = paths.project_prefix(user, project) if project else paths.user_prefix(user)
        shutil.rmtree(self._settings.artefacts_dir / prefix, ignore_errors=True)

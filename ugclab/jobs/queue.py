"""The queue as every door sees it: submit, get, list, watch, cancel, retry, delete. Who may do what is decided here.

A door makes a `Principal`; a job is seen by its user, and by whoever works at the machine itself (trust "local").
"""

import time
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa

from ugclab.bench.estimate import check_cost
from ugclab.engines import registry
from ugclab.errors import InputError, JobConflict, JobNotFound
from ugclab.jobs import events, records
from ugclab.jobs.admission import check_limits, idempotency_key
from ugclab.jobs.database import Database
from ugclab.jobs.deletion import Deletion
from ugclab.jobs.flow import INGEST, JOBS, Flow
from ugclab.jobs.inputs import Inputs
from ugclab.jobs.links import Links
from ugclab.jobs.looks import Looks
from ugclab.jobs.schema import LIVE, jobs, outbox
from ugclab.media.source import check_file
from ugclab.net.client import GuardedClient
from ugclab.pipeline.plan import fixed_plan
from ugclab.schema.ids import new_ulid
from ugclab.schema.job import FaceTransformInput, JobEvent, JobState, JobView, Principal, Request
from ugclab.schema.look import FacesLook, FrameLook, Look, ProofLook
from ugclab.schema.media import Asset
from ugclab.schema.report import Report
from ugclab.settings import Settings
from ugclab.storage import intake, paths
from ugclab.storage.assets import stage
from ugclab.storage.opening import open_store
from ugclab.storage.store import Store

_POLL_S = 0.5
Noted = Callable[[sa.Connection, str], None]


class Queue:
    """The jobs of one installation: the database that `settings` name, and the store."""

    def __init__(self, settings: Settings, *, store: Store | None = None) -> None:
        self.settings = settings
        self.database = Database(settings.queue_url)
        self.flow = Flow(self.database)
        self._store = store
        self._engines: set[str] = set()

    @cached_property
    def store(self) -> Store:
        """Where inputs and results lie; opened when first needed."""
        return self._store or open_store(self.settings)

    @cached_property
    def client(self) -> GuardedClient:
        """What fetches and sends: never where it must not."""
        return GuardedClient(self.settings.intake_hosts)

    @cached_property
    def links(self) -> Links:
        """How results are given out."""
        return Links(self.settings, self.database, self.store)

    @cached_property
    def inputs(self) -> Inputs:
        """What was brought, and may be submitted."""
        return Inputs(self.database, self.settings)

    @cached_property
    def looks(self) -> Looks:
        """Answers to `look`."""
        return Looks(self.flow, self.settings.takeover_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give the database's connections back."""
        self.database.close()

    # in

    def take_in(self, principal: Principal, project: str, path: Path, role: str = "source") -> Asset:
        """Check a file and copy it into the project: footage as "source", a picture as "avatar" or "photo".

        Raises InputError and its kin for what is no footage or picture, or is larger than the operator allows.
        """
        check_file(path)
        checked = (intake.check_footage if role == "source" else intake.check_picture)(path, self.settings)
        return stage(
            self.store,
            path,
            user=principal.user,
            project=project,
            media_type=checked.media_type,
            info=checked.info,
        )

    def submit(self, request: Request, noted: Noted = lambda connection, job_id: None, *, same_as: str = "") -> JobView:
        """Put a job in line; the same request again gives the same job, unless that has failed.

        `same_as` says in the caller's own words what is the same. `noted` is called with the job's id in the
        transaction that puts it there: what it writes is there with it.
        Raises InputError for what can never work, LimitReached, EngineNotFound, QueueUnavailable.
        """
        request = self._admitted(request)
        media_s = self._check_plan(request)
        key = idempotency_key(request, same_as)
        workflow_id = f"{new_ulid()}.1"
        fetched = any(isinstance(value, str) for value in _inputs(request.input).values())
        with self.database.transaction() as connection:
            if row := self._standing(connection, key):
                noted(connection, row.job_id)
                return records.view(row)
            check_limits(connection, request, media_s, self.settings, self.database.now())
            try:
                with connection.begin_nested():
                    job_id = records.insert(connection, self.database, request, key, media_s, workflow_id)
            except sa.exc.IntegrityError:  # on Postgres, somebody was a moment faster
                row = _there(self._standing(connection, key), key)
                noted(connection, row.job_id)
                return records.view(row)
            noted(connection, job_id)
            self.flow.enqueue(connection, INGEST if fetched else JOBS, workflow_id, priority=int(request.priority))
            return records.view(_there(records.find(connection, job_id), job_id))

    def _standing(self, connection: sa.Connection, key: str) -> sa.Row[Any] | None:
        query = jobs.select().where(jobs.c.key == key, jobs.c.state.not_in(("failed", "cancelled")))
        return connection.execute(query).one_or_none()

    def _admitted(self, request: Request) -> Request:
        """The request with local files staged, and nothing in it that its principal may not use."""
        if request.engine not in self._engines:
            registry.find(request.engine)
            self._engines.add(request.engine)
        if request.webhook_url:
            intake.admit_webhook(request.webhook_url, self.settings)
        own = paths.project_prefix(request.principal.user, request.project)
        changed: dict[str, Asset] = {}
        for name, value in _inputs(request.input).items():
            if isinstance(value, Asset):
                if not value.key.startswith(own):
                    raise InputError(f"the {name} does not lie in the project", hint="upload it there first")
            elif path := intake.admit(request.principal, value, self.settings):
                changed[name] = self.take_in(request.principal, request.project, path.expanduser(), name)
        if (request.options.face.kind == "like") != (request.input.photo is not None):
            raise InputError("the face like:PHOTO needs a photo", hint="give one, or choose the face another way")
        return request.model_copy(update={"input": request.input.model_copy(update=changed)}) if changed else request

    def _check_plan(self, request: Request) -> float:
        """Refuse a plan that does not fit the footage; returns its length in seconds, 0 where it is not known yet."""
        source = request.input.source
        if isinstance(source, str) or source.info is None:
            return 0.0
        fixed_plan(request.input.plan, source.info)
        check_cost(source.info, request.input.plan, request.engine, request.max_cost_usd, self.settings)
        return float(source.info.duration)

    def look(self, principal: Principal, look: Look) -> str:
        """Ask to see something soon; `looks.answer` says what came of it. Raises InputError, EngineNotFound."""
        own = paths.project_prefix(look.user, look.project)
        if look.user != principal.user or not all(a.key.startswith(own) for a in look.files.values()):
            raise InputError("what is to be seen does not lie in the project", hint="upload it there first")
        if isinstance(look, FrameLook | FacesLook):
            if (look.options.face.kind == "like") != (look.photo is not None):
                raise InputError("the face like:PHOTO needs a photo", hint="give one, or choose the face another way")
            return self.looks.ask(look, registry.find(look.engine).info.version)
        return self.looks.ask(look)

    def proof(self, principal: Principal, job_id: str) -> str:
        """Ask to see a finished job's source and result in a browser. Raises JobNotFound, JobConflict."""
        with self.database.reading() as connection:
            row = _owned(records.find(connection, job_id), job_id, principal)
        if row.state != JobState.SUCCEEDED:
            raise JobConflict(f"job {job_id} has no result: it is {row.state}", hint="wait for it, or retry it")
        source = Request.model_validate_json(row.request).input.source
        if isinstance(source, str):
            raise JobConflict(f"the footage of job {job_id} was not kept", hint="submit it again")
        output = Asset.model_validate_json(row.output)
        return self.looks.ask(
            ProofLook(user=row.user, project=row.project, job_id=job_id, source=source, output=output)
        )

    # out

    def get(self, job_id: str, principal: Principal) -> JobView:
        """One job. Raises JobNotFound, also for somebody else's."""
        with self.database.reading() as connection:
            return records.view(_owned(records.find(connection, job_id), job_id, principal))

    def list(
        self,
        principal: Principal,
        *,
        project: str = "",
        states: Iterable[JobState] = (),
        record_id: str = "",
        limit: int = 50,
        before: str | None = None,
    ) -> tuple[JobView, ...]:
        """A user's jobs, the newest first; everybody's for trust "local". In pages: those after the id `before`."""
        user = "" if principal.trust == "local" else principal.user
        with self.database.reading() as connection:
            wanted = {"user": user, "project": project, "record_id": record_id}
            rows = records.listed(connection, **wanted, states=tuple(states), limit=limit, before=before)
        return tuple(records.view(row) for row in rows)

    def watch(
        self,
        job_id: str,
        principal: Principal,
        *,
        interval_s: float = _POLL_S,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Iterator[JobView]:
        """Yield the job whenever it has changed, until it has ended or `stopped` says so."""
        last = None
        while not stopped():
            now = self.get(job_id, principal)
            if now != last:
                yield now
            if now.status.terminal:
                return
            last = now
            time.sleep(interval_s)

    def request(self, job_id: str, principal: Principal) -> Request:
        """What was asked for. Raises JobNotFound."""
        with self.database.reading() as connection:
            row = _owned(records.find(connection, job_id), job_id, principal)
        return Request.model_validate_json(row.request)

    def events(self, job_id: str, principal: Principal) -> tuple[JobEvent, ...]:
        """The job's own log, the oldest line first. Raises JobNotFound."""
        with self.database.reading() as connection:
            _owned(records.find(connection, job_id), job_id, principal)
            return events.read(connection, job_id)

    def report(self, job_id: str, principal: Principal) -> Report:
        """The report of a job that succeeded. Raises JobNotFound, JobConflict."""
        job = self.get(job_id, principal)
        if job.status is not JobState.SUCCEEDED:
            raise JobConflict(f"job {job_id} has no report: it is {job.status}", hint="wait for it, or retry it")
        return Report.model_validate_json(self.store.read_bytes(paths.report(job.user, job.project, job_id)))

    def idle(self) -> bool:
        """Whether nothing is queued or running, and no news waits for its first try."""
        with self.database.reading() as connection:
            live = sa.select(sa.func.count()).select_from(jobs).where(jobs.c.state.in_(LIVE))
            untold = (
                sa.select(sa.func.count()).select_from(outbox).where(outbox.c.status == "pending", outbox.c.tries == 0)
            )
            return not connection.execute(live).scalar_one() and not connection.execute(untold).scalar_one()

    # change

    def cancel(self, job_id: str, principal: Principal) -> JobView:
        """Stop a job; what was finished of it is kept for a retry. Cancelling twice is no error."""
        with self.database.transaction() as connection:
            row = _owned(records.find(connection, job_id), job_id, principal)
            ended = records.end(connection, self.database, self.flow, job_id, JobState.CANCELLED)
            if not ended and row.state != JobState.CANCELLED:
                raise JobConflict(f"job {job_id} has already {row.state}", hint="there is nothing to cancel")
            row = _there(records.find(connection, job_id), job_id)
        if ended:
            self.flow.cancel(row.workflow_id)
        return records.view(row)

    def retry(self, job_id: str, principal: Principal) -> JobView:
        """Put a failed or cancelled job in line again: it goes on where it stopped. Raises JobConflict."""
        with self.database.transaction() as connection:
            row = _owned(records.find(connection, job_id), job_id, principal)
            if row.state not in (JobState.FAILED, JobState.CANCELLED):
                raise JobConflict(f"job {job_id} is {row.state}", hint="only a failed or cancelled one can be retried")
            if standing := self._standing(connection, row.key):
                raise JobConflict(f"job {standing.job_id} does the same already", hint="watch that one")
            request = Request.model_validate_json(row.request)
            check_limits(connection, request, 0.0, self.settings, self.database.now())
            workflow_id = f"{job_id}.{row.attempt + 1}"
            values = {
                "state": JobState.QUEUED,
                "attempt": row.attempt + 1,
                "workflow_id": workflow_id,
                "claim": "",
                "error": "",
                "recoveries": 0,
                "progress": "{}",
                "ended_at": None,
            }
            connection.execute(jobs.update().where(jobs.c.job_id == job_id).values(**values))
            events.note(connection, self.database, job_id, "retried")
            fetched = any(isinstance(value, str) for value in _inputs(request.input).values())
            self.flow.enqueue(connection, INGEST if fetched else JOBS, workflow_id, priority=row.priority)
            return records.view(_there(records.find(connection, job_id), job_id))

    def delete(self, job_id: str, principal: Principal) -> None:
        """Delete a job, with its result, its consent and what was fetched for it alone; a live one is cancelled."""
        with self.database.reading() as connection:
            _owned(records.find(connection, job_id), job_id, principal)
        self._deletion.job(job_id)

    def delete_project(self, user: str, project: str, principal: Principal) -> None:
        """Delete a project with all that was ever kept of it."""
        self._deletion.project(_allowed(user, principal), project)

    def delete_user(self, user: str, principal: Principal) -> None:
        """Delete a user with all projects."""
        self._deletion.user(_allowed(user, principal))

    @property
    def _deletion(self) -> Deletion:
        return Deletion(self.database, self.flow, self.store, self.settings)


def _inputs(given: FaceTransformInput) -> dict[str, Asset | str]:
    return {n: value for n in ("source", "avatar", "photo") if (value := getattr(given, n)) is not None}


def _there(row: sa.Row[Any] | None, job_id: str) -> sa.Row[Any]:
    if row is None:
        raise JobNotFound(f"there is no job {job_id[:40]}", hint="see ugclab jobs list")
    return row


def _owned(row: sa.Row[Any] | None, job_id: str, principal: Principal) -> sa.Row[Any]:
    """The one check of ownership: somebody else's job is as good as none."""
    there = _there(row, job_id)
    if principal.trust != "local" and there.user != principal.user:
        _there(None, job_id)
    return there


def _allowed(user: str, principal: Principal) -> str:
    if principal.trust != "local" and user != principal.user:
        raise JobNotFound(f"there is no user '{user}'", hint="only one's own jobs can be deleted")
    return user

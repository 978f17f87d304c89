"""Orders of callers elsewhere become jobs: whatever door they come by, they are read, placed and told the same way."""

import re
from typing import Any

import sqlalchemy as sa

from ugclab.errors import InputError, JobNotFound, UgclabError
from ugclab.jobs import orders, records
from ugclab.jobs.orders import Door, digest_of, output_of
from ugclab.jobs.queue import Queue
from ugclab.jobs.schema import jobs
from ugclab.schema.contract import ASSET, Order, OrderInput, OrderOutput, OrderStatus
from ugclab.schema.ids import new_ulid
from ugclab.schema.job import JobState, JobView, Principal, Request
from ugclab.schema.media import Asset
from ugclab.storage import intake

_SHA256 = re.compile(r"[0-9a-f]{64}")


class Orders:
    """The queue, for callers elsewhere."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def request(self, given: OrderInput, principal: Principal) -> Request:
        """An input as the queue takes it. Raises ConsentError, InputError for a file that was not brought."""
        files = {role: self._file(address, given.project, principal) for role, address in given.files.items()}
        return given.request(principal, files, self._queue.settings.service_consent)

    def asset(self, address: str, project: str, principal: Principal) -> Asset:
        """What was brought before, by `asset:SHA256`. Raises InputError."""
        sha256 = address.removeprefix(ASSET)
        try:
            if not address.startswith(ASSET) or not _SHA256.fullmatch(sha256):
                raise InputError(f"{address[:100]!r} names no file", hint="as asset:SHA256, 64 digits of it")
            return self._queue.inputs.find(principal.user, project, sha256)
        except JobNotFound as error:
            raise InputError(
                f"there is no file {sha256[:12]}… in the project '{project}'", hint="bring it there: POST /v1/uploads"
            ) from error

    def _file(self, address: str, project: str, principal: Principal) -> Asset | str:
        return self.asset(address, project, principal) if address.startswith(ASSET) else address

    def place(
        self,
        given: OrderInput,
        principal: Principal,
        *,
        door: Door,
        name: str = "",
        callback_url: str = "",
        root: str = "",
        exact: bool = False,
    ) -> JobView:
        """Put an order in line; one of that name that is there already is what is answered.

        Without a name each call is an order of its own. `root` is the address that links begin with where the operator
        set none. With `exact` a name that was used for another input raises JobConflict. Raises as `Queue.submit`.
        """
        queue = self._queue
        digest = digest_of(given)
        if callback_url:
            intake.admit_webhook(callback_url, queue.settings)
        if name and (standing := self._standing(principal, door, name, digest if exact else "")):
            return standing
        request, called = self.request(given, principal), name or new_ulid()

        def noted(connection: sa.Connection, job_id: str) -> None:
            # a job that ends this moment waits for this transaction, or has ended before it: its end is told once
            connection.execute(sa.select(jobs.c.job_id).where(jobs.c.job_id == job_id).with_for_update())
            values = {"user": principal.user, "name": called, "job_id": job_id, "digest": digest}
            orders.insert(connection, queue.database, door=door, callback_url=callback_url, root=root, **values)
            order = orders.find(connection, principal.user, door, called)
            assert order is not None  # noqa: S101 written a line before
            records.tell_caller(connection, queue.database, queue.flow, order)

        try:
            return queue.submit(request, noted)
        except sa.exc.IntegrityError:  # the same order came twice at the same moment, and the other was faster
            if standing := self._standing(principal, door, name, digest if exact else ""):
                return standing
            raise

    def execute(self, order: Order, principal: Principal, root: str = "") -> JobView:
        """An order of the worker contract."""
        return self.place(
            order.input, principal, door="execute", name=order.job_id, callback_url=order.callback_url, root=root
        )

    def job_of(self, name: str, principal: Principal, door: Door = "execute") -> JobView:
        """The job that was ordered under a name. Raises JobNotFound."""
        if found := self._standing(principal, door, name, ""):
            return found
        raise JobNotFound(f"there is no order {name[:40]}", hint="it was never given, or its job was deleted")

    def status(self, name: str, principal: Principal, root: str = "") -> OrderStatus:
        """Where an order of the contract stands. Raises JobNotFound."""
        job = self.job_of(name, principal)
        return OrderStatus.of(name, job, self.output(job, principal, root))

    def output(self, job: JobView, principal: Principal, root: str = "") -> OrderOutput | None:
        """What a job has made, with an address it can be fetched at; None without a result."""
        if job.status is not JobState.SUCCEEDED or job.output is None:
            return None
        summary: dict[str, Any] | None = None
        try:
            summary = self._queue.report(job.job_id, principal).summary()
        except (KeyError, UgclabError):  # the report has gone, or the store is away: the result is told all the same
            summary = None
        return output_of(job, self.link(job.job_id, root), summary)

    def link(self, job_id: str, root: str = "") -> str:
        """Where a result can be fetched without a key: the operator's address, or the one this server was asked at."""
        if link := self._queue.links.output(job_id):
            return link
        token = self._queue.links.token(job_id)
        return f"{root.rstrip('/')}/r/{token}" if root and token else ""

    def _standing(self, principal: Principal, door: Door, name: str, digest: str) -> JobView | None:
        with self._queue.database.reading() as connection:
            row = orders.find(connection, principal.user, door, name, digest)
        return self._queue.get(row.job_id, principal) if row else None

"""Rows to jobs and back, without anybody between: what `ugclab airtable` does.

A pass reads all rows that are Pending or Processing, submits the Pending ones, writes Processing into them, and writes
Complete or Failed into those whose job has ended. It holds the table's lock, begins with what Airtable says now, and a
row's job is found again by what the row asks for: so a pass that was killed anywhere is simply done again. A row is
submitted before it is marked: killed in between, it is still Pending, and the same job is found.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from ugclab.engines import registry
from ugclab.entrypoints.airtable import fields, rows
from ugclab.entrypoints.airtable.client import Airtable, Change, Row
from ugclab.entrypoints.airtable.fields import Status
from ugclab.entrypoints.airtable.lock import alone
from ugclab.errors import InputError, JobConflict, JobNotFound, LimitReached, UgclabError
from ugclab.jobs.logs import Redactor
from ugclab.jobs.queue import Queue
from ugclab.schema.job import JobView, Principal

USER = "airtable"
"""Whose jobs they are."""
_GLANCE_S = 1.0
"""Between two looks at the queue while Airtable is left alone: those cost no call."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A row that was changed; `text` is the result's address, or the reason."""

    record_id: str
    status: str
    job_id: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass leaves behind."""

    live: tuple[str, ...] = ()
    """Jobs that are under way."""
    waiting: int = 0
    """Rows that could not be taken yet, and why."""
    why: str = ""
    lost: tuple[str, ...] = ()
    """Rows whose job is not known here: Make's, or one that was deleted."""
    faults: tuple[tuple[str, str], ...] = ()
    """Rows that could not be written, each with the reason."""
    trouble: UgclabError | None = None
    """Why it was not done at all; it will be tried again."""

    @property
    def open(self) -> bool:
        """Whether something is left to be done."""
        return bool(self.live or self.waiting or self.trouble)


class Courier:
    """Between one table and one queue."""

    def __init__(
        self,
        table: Airtable,
        queue: Queue,
        *,
        engine: str = "mesh",
        project: str = "airtable",
        consent: str = "",
        tell: Callable[[Moved], None] = lambda moved: None,
    ) -> None:
        """`tell` is called after each row that was changed. Raises InputError, EngineNotFound: nothing is touched."""
        settings = queue.settings
        if not settings.public_url and not settings.public_prefix:
            raise InputError(
                "this installation has no address for results, so there is nothing to write into Output_Video_URL",
                hint="set UGCLAB_PUBLIC_URL to where its server is reached, or UGCLAB_PUBLIC_PREFIX (docs/storage.md)",
            )
        registry.find(engine)
        self._table, self._queue, self._tell = table, queue, tell
        self._engine, self._project, self._consent = engine, project, consent
        self._principal = Principal(user=USER, trust="service")
        self._columns = table.require().present
        self._clean = Redactor([settings.airtable_key, settings.webhook_secret])

    def step(self) -> Pass:
        """Make one pass. Raises InputError for a table or token that is wrong, NetworkError, QueueUnavailable."""
        with self._alone():
            return self._pass(self._table.rows(Status.PENDING, Status.PROCESSING))

    def watch(self, poll_s: float, pause: Callable[[float], bool], *, until_idle: bool = False) -> Iterator[Pass]:
        """Make passes until `pause`, which waits so many seconds, says that it is enough; faults that pass are endured.

        Between two looks at the table the queue is watched: a job that ends is written at once.
        """
        while True:
            try:
                done = self.step()
            except UgclabError as error:
                if not error.passing:
                    raise
                done = Pass(trouble=error)
            yield done
            if (until_idle and not done.open) or self._paused(done.live, poll_s, pause):
                return

    def sync(self, *, fail_lost: bool = False) -> Pass:
        """Make a pass, and set right what ended rows say of jobs that went on without them: retried ones, new links."""
        with self._alone():
            found = self._table.rows(*Status)
            done = self._pass([row for row in found if row.status in (Status.PENDING, Status.PROCESSING)])
            changes = [self._corrected(row) for row in found if row.status in (Status.COMPLETE, Status.FAILED)]
            faults = self._write([change for change in changes if change is not None])
            if fail_lost:
                lost = [row for row in found if row.record_id in done.lost]
                reason = ("its job is no longer known", "set Status to Pending to have it done again")
                faults += self._write([rows.failed(row, *reason, self._clean) for row in lost])
                done = replace(done, lost=())
            return replace(done, faults=done.faults + faults)

    def submit(self, record_id: str) -> JobView:
        """Take one row, whoever else watches. Raises JobConflict for one under way or done, and what refuses it."""
        with self._alone():
            row = self._table.row(record_id)
            if row.status and row.status != Status.PENDING:
                raise JobConflict(f"the row is {row.status}", hint="set its Status to Pending to have it done again")
            try:
                job = self._submitted(row)
            except InputError as error:
                self._refuse([(row, error)])
                raise
            for _, reason in self._write([rows.taken(row, job.job_id, self._columns)]):
                raise InputError(reason)
            return job

    def _alone(self) -> AbstractContextManager[None]:
        folder = self._queue.settings.data_dir.expanduser()
        return alone(self._queue.database, folder, self._place)

    @property
    def _place(self) -> str:
        return f"{self._table.base_id}/{self._table.table_id}"

    def _pass(self, found: Sequence[Row]) -> Pass:
        taken: list[Change] = []
        over: list[Change] = []
        refused: list[tuple[Row, UgclabError]] = []
        live: list[str] = []
        lost: list[str] = []
        waiting, full = 0, ""
        for row in sorted(found, key=lambda row: row.status == Status.PENDING):  # what is under way goes first
            try:
                job = self._known(row)
                if job is None and full:
                    waiting += 1
                    continue
                if job is None:
                    job = self._submitted(row)
                    taken.append(self._marked(row, job))
            except JobNotFound:
                lost.append(row.record_id)
            except LimitReached as error:
                waiting, full = waiting + 1, error.message
            except InputError as error:
                refused.append((row, error))
            else:
                if row.status == Status.PROCESSING and job.status.terminal:
                    over.append(self._ended(row, job))
                else:
                    live.append(job.job_id)
        faults = self._write(over) + self._write(taken) + self._refuse(refused)
        return Pass(tuple(live), waiting, full, tuple(lost), faults)

    def _known(self, row: Row) -> JobView | None:
        """The job of a row that is under way; None for a row that has none yet. Raises JobNotFound."""
        if row.status != Status.PROCESSING:
            return None
        if job_id := rows.text(row.cells.get(fields.JOB.name)):
            return self._queue.get(job_id, self._principal)
        if fields.JOB.name in self._columns:
            return None  # a row that was about to be refused, or one that somebody marked
        last = self._queue.list(self._principal, project=self._project, record_id=row.record_id, limit=1)
        return last[0] if last else None

    def _submitted(self, row: Row) -> JobView:
        asked = rows.read(
            row,
            self._place,
            self._principal,
            project=self._project,
            engine=self._engine,
            consent=self._consent,
        )
        return self._queue.submit(asked.request, same_as=asked.same_as)

    def _marked(self, row: Row, job: JobView) -> Change:
        if row.status == Status.PROCESSING:  # it says so already, and says so once
            return Change(row.record_id, None, {n: job.job_id for n in (fields.JOB.name,) if n in self._columns})
        return rows.taken(row, job.job_id, self._columns)

    def _ended(self, row: Row, job: JobView) -> Change:
        link = self._queue.links.output(job.job_id)
        return rows.ended(row, job, link, self._columns, self._clean)

    def _refuse(self, refused: Sequence[tuple[Row, UgclabError]]) -> tuple[tuple[str, str], ...]:
        """Rows that no job can be made of: they are Processing, then Failed, as any other that fails."""
        fresh = [rows.taken(row, "", self._columns) for row, _ in refused if row.status != Status.PROCESSING]
        faults = self._write(fresh)
        stuck = {record_id for record_id, _ in faults}
        told = [rows.refused(row, error, self._clean) for row, error in refused if row.record_id not in stuck]
        return faults + self._write(told)

    def _corrected(self, row: Row) -> Change | None:
        """What an ended row should say by now; None where it says so, or nobody knows."""
        try:
            job = self._queue.get(rows.text(row.cells.get(fields.JOB.name)), self._principal)
        except JobNotFound:
            return None
        if not job.status.terminal:
            return rows.taken(row, job.job_id, self._columns)
        right = self._ended(row, job)
        if right.status != row.status:
            return right
        link = right.cells.get(fields.OUTPUT.name)
        renewed = right.status is Status.COMPLETE and link != row.cells.get(fields.OUTPUT.name)
        return Change(row.record_id, None, {fields.OUTPUT.name: link}) if renewed else None

    def _write(self, changes: Sequence[Change]) -> tuple[tuple[str, str], ...]:
        """Write, tell what was written, and return what could not be."""
        changes = [change for change in changes if change.status is not None or change.cells]
        faults = {change.record_id: self._clean(reason) for change, reason in self._table.write(changes)}
        for change in changes:
            if change.record_id not in faults and change.status is not None:
                said = change.cells.get(fields.ERROR.name) or change.cells.get(fields.OUTPUT.name) or ""
                job_id = change.cells.get(fields.JOB.name) or ""
                self._tell(Moved(change.record_id, change.status.value, job_id, said))
        return tuple(faults.items())

    def _paused(self, live: Sequence[str], poll_s: float, pause: Callable[[float], bool]) -> bool:
        left = poll_s
        while left > 0:
            if pause(min(_GLANCE_S, left)):
                return True
            left -= _GLANCE_S
            if any(self._over(job_id) for job_id in live):
                return False
        return False

    def _over(self, job_id: str) -> bool:
        try:
            return self._queue.get(job_id, self._principal).status.terminal
        except UgclabError as error:
            return not error.passing  # deleted under our hands: the next pass sees it

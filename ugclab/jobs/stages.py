"""What each stage of a job does: fetch, analyse, swap, stitch, publish. Each is done by whoever holds the job's claim.

A stage that fails for a passing reason is tried again, one that cannot work is not. What a stage returns is JSON: the
queue remembers it, and a run that takes over does not do it again.
"""

import logging
import random
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from ugclab.bench.estimate import check_cost
from ugclab.errors import QueueUnavailable, StoreCorrupt, UgclabError
from ugclab.jobs import events, records
from ugclab.jobs.admission import check_minutes
from ugclab.jobs.lane import Lane
from ugclab.jobs.meter import Meter
from ugclab.jobs.queue import Queue
from ugclab.jobs.records import Claimed
from ugclab.jobs.tasks import Said, Task
from ugclab.pipeline.measure import measured
from ugclab.pipeline.plan import SwapRequest
from ugclab.pipeline.swap_job import Analysed, Stitched, compose_report
from ugclab.schema.job import FaceTransformInput, JobState, SwapOptions
from ugclab.schema.media import Asset
from ugclab.schema.report import File, Measurement, Outcome
from ugclab.storage import intake, paths
from ugclab.storage.artefacts import Artefacts
from ugclab.storage.assets import local_copy
from ugclab.storage.local import LocalStore

_LOG = logging.getLogger(__name__)
_LONGEST_WAIT_S = 60.0

Result = dict[str, Any]
Step = Literal["analyse", "swap", "stitch"]


class Stages:
    """One run of one job. What it holds of the project's artefacts is not evicted until its `with` block ends."""

    def __init__(self, queue: Queue, lane: Lane, held: Claimed) -> None:
        self._queue = queue
        self._settings = queue.settings
        self._lane = lane
        self._held = held
        self._request = held.request
        self._user, self._project = held.request.principal.user, held.request.project
        self._scope = paths.project_prefix(self._user, self._project).rstrip("/")
        self.meter = Meter(lambda progress: records.report_progress(queue.database, held, progress))
        self._open = ExitStack()
        self._copies: dict[str, Path] = {}

    def __enter__(self) -> Self:
        settings = self._settings
        artefacts = Artefacts(LocalStore(settings.artefacts_dir), settings.artefact_cap_mb, self._scope)
        self._artefacts = self._open.enter_context(artefacts)
        self._work = self._artefacts.workspace()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._open.close()

    def attempt(self, stage: str, do: Callable[[], Result]) -> Result:
        """Do a stage, again after a passing fault: with exponential waits, as often as the operator allows.

        A queue's database that is away costs no try: nothing is wrong with the job.
        """
        number = 1
        while True:
            self.meter.check()
            try:
                return do()
            except UgclabError as error:
                if not error.passing or number >= self._settings.stage_attempts:
                    raise
                wait = min(_LONGEST_WAIT_S, self._settings.retry_s * 2 ** (number - 1)) * random.uniform(0.8, 1.2)  # noqa: S311
                _LOG.warning("%s failed (%s), try %d follows in %.1f s", stage, error.message, number + 1, wait)
                self.note("again", stage, text=error.message)
                number += not isinstance(error, QueueUnavailable)
                self._pause(wait)

    def note(self, what: str, stage: str, *, seconds: float | None = None, text: str = "") -> None:
        """Write a line of the job's own log; a database that does not answer for a while loses it."""
        database = self._queue.database
        try:
            with database.transaction() as connection:
                events.note(connection, database, self._held.job_id, what, stage=stage, seconds=seconds, text=text)
        except QueueUnavailable as error:
            _LOG.warning("the job's log cannot be written: %s", error.message)

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.meter.check()
            time.sleep(min(left, 0.25))

    def ingest(self) -> Result:
        """Fetch what the request names by address, check it, and put it into the store."""
        given = self._request.input
        made: dict[str, Any] = {}
        with measured() as cost:
            for name in ("source", "avatar", "photo"):
                value = getattr(given, name)
                if isinstance(value, str):
                    asset = self._fetched(name, value)
                    made[name] = asset.model_dump(mode="json")
        return {"assets": made, "measurements": [_cost(cost.measurement("ingest"))]}

    def _fetched(self, role: str, uri: str) -> Asset:
        folder = self._work / f"in-{role}"
        folder.mkdir(exist_ok=True)
        path = intake.fetch(
            uri,
            folder,
            self._settings,
            self._request.principal,
            kind="source" if role == "source" else "avatar",
            client=self._queue.client,
            on_progress=lambda done, total: self.meter.at("ingest", None, done, total),
            cancelled=lambda: not self.meter.wanted(),
        )
        return self._queue.take_in(self._request.principal, self._project, path, role)

    def with_assets(self, ingested: Mapping[str, Any]) -> FaceTransformInput:
        """The request's input with what was fetched in the place of its addresses."""
        assets = {name: Asset.model_validate(value) for name, value in ingested["assets"].items()}
        return self._request.input.model_copy(update=assets)

    def keep_consent(self) -> None:
        """Write the record of consent beside the job's results, before anything is made with the face."""
        key = paths.consent(self._user, self._project, self._held.job_id)
        self._queue.store.put_bytes(key, self._request.consent.model_dump_json(indent=1).encode())

    def analyse(self) -> Result:
        """Look at the footage and decide what will be done."""
        self.keep_consent()
        result = self._task("analyse")
        analysed = Analysed.model_validate(result["value"])
        given = self._request.input
        for name, file in (("source", analysed.source), ("avatar", analysed.avatar)):
            asset = getattr(given, name)
            if asset.sha256 != file.sha256:
                raise StoreCorrupt(f"the {name} {asset.name} has changed since it was taken in", hint="submit it again")
        value = analysed.model_copy(update={"source": _file(given.source), "avatar": _file(given.avatar)})
        return result | {"value": value.model_dump(mode="json")}

    def swap(self, index: int) -> Result:
        """Swap one segment; its file is an artefact of the project."""
        return self._task("swap", index)

    def stitch(self) -> Result:
        """Make the finished file and put it into the store."""
        result = self._task("stitch")
        stitched = Stitched.model_validate(result["value"])
        store, job_id = self._queue.store, self._held.job_id
        with measured() as cost:
            key = paths.render(self._user, self._project, job_id)
            self.attempt("upload", lambda: {"key": store.put_file(key, self._out, sha256=stitched.output.sha256).key})
            sheet = paths.contact_sheet(self._user, self._project, job_id)
            self.attempt("upload", lambda: {"key": store.put_file(sheet, self._sheet).key})
        return result | {"measurements": [*result["measurements"], _cost(cost.measurement("upload"))]}

    def publish(self, ingested: Result | None, analysed: Result, swapped: list[Result], stitched: Result) -> bool:
        """Write the report and end the job; False if somebody else has, and then nothing of this run stays."""
        self.meter.at("publish")
        parts = [*([ingested] if ingested else []), analysed, *swapped, stitched]
        warnings = tuple(dict.fromkeys(w for part in parts for w in part.get("warnings", ())))
        done = Stitched.model_validate(stitched["value"])
        report = compose_report(
            self._held.job_id,
            self._swap_request(self._request.input),
            Analysed.model_validate(analysed["value"]),
            [Outcome.model_validate(part["value"]) for part in swapped],
            done,
            [Measurement.model_validate(m) for part in parts for m in part["measurements"]],
            warnings,
        )
        report = report.model_copy(update={"options": self._shown_options()})
        store, job_id, queue = self._queue.store, self._held.job_id, self._queue
        store.put_bytes(
            paths.report(self._user, self._project, job_id), (report.model_dump_json(indent=1) + "\n").encode()
        )
        key = paths.render(self._user, self._project, job_id)
        output = Asset(
            key=key,
            name=done.output.name,
            sha256=done.output.sha256,
            size_bytes=done.output.size_bytes,
            media_type="video/mp4",
        )
        with queue.database.transaction() as connection:
            return records.end(
                connection,
                queue.database,
                queue.flow,
                job_id,
                JobState.SUCCEEDED,
                claim=self._held.claim,
                output=output,
                warnings=warnings,
                cost_usd=report.cost_usd,
                summary=report.summary(),
                public_url=queue.links.template(key),
            )

    def clear(self) -> None:
        """Delete what was published for a job that was cancelled or deleted meanwhile.

        Only then: where another run has ended the job, or this one has and did not hear of it, what lies there is the
        result.
        """
        with self._queue.database.reading() as connection:
            row = records.find(connection, self._held.job_id)
        if row is not None and row.state != JobState.CANCELLED:
            return
        for key in paths.of_job(self._user, self._project, self._held.job_id):
            if row is None or key != paths.metadata_folder(self._user, self._project, self._held.job_id):
                self._queue.store.delete_prefix(key)

    def count_minutes(self, given: FaceTransformInput) -> float:
        """Length of fetched footage in seconds. Raises LimitReached, and InputError where it may not cost so much."""
        source = given.source
        info = source.info if isinstance(source, Asset) else None
        media_s = float(info.duration) if info else 0.0
        if info:
            check_cost(info, given.plan, self._request.engine, self._request.max_cost_usd, self._settings)
        database = self._queue.database
        with database.reading() as connection:
            principal = self._request.principal
            check_minutes(connection, principal, media_s, self._settings, database.now(), but=self._held.job_id)
        return media_s

    @property
    def _out(self) -> Path:
        return self._work / f"{Path(_asset(self._request.input.source).name).stem[:80] or 'video'}-swapped.mp4"

    @property
    def _sheet(self) -> Path:
        return self._work / "sheet.png"

    def _swap_request(self, given: FaceTransformInput) -> SwapRequest:
        options = self._request.options
        # What the request itself says there is somebody's word for a place on this machine.
        photo = "" if given.photo is None else str(self._local(given.photo))
        options = options.model_copy(update={"face": options.face.model_copy(update={"photo": photo})})
        return SwapRequest(
            source=self._local(given.source),
            avatar=self._local(given.avatar),
            out=self._out,
            plan=given.plan,
            engine=self._request.engine,
            options=options,
            contact_sheet=self._sheet,
        )

    def _shown_options(self) -> SwapOptions:
        """The options for a report, which others may read: a photo by its name, not by its place on this machine."""
        options, photo = self._request.options, self._request.input.photo
        if photo is None:
            return options
        return options.model_copy(update={"face": options.face.model_copy(update={"photo": _asset(photo).name})})

    def _local(self, value: Asset | str) -> Path:
        asset = _asset(value)
        if asset.key not in self._copies:  # checked once a run
            self._copies[asset.key] = local_copy(self._queue.store, asset, self._artefacts)
        return self._copies[asset.key]

    def _task(self, step: Step, segment: int | None = None) -> Result:
        """Have the engine's process do a step."""
        meter = self.meter
        meter.at(step, segment)

        def told(said: Said) -> None:
            meter.at(step, segment, *((said.done, said.total) if said.step == step else (0, 0)))

        task = Task(
            number=self._lane.number(),
            job=self._held.claim,
            step=step,
            segment=segment,
            scope=self._scope,
            request=self._swap_request(self._request.input),
        )
        with self._lane.child(meter.wanted) as child:
            done = child.run(
                task, told, meter.wanted, limit_s=self._settings.stage_timeout_s, hang_s=self._settings.hang_s
            )
        return {
            "value": done.value,
            "measurements": [_cost(m) for m in done.measurements],
            "warnings": list(done.warnings),
        }


def _asset(value: Asset | str) -> Asset:
    if isinstance(value, str):
        raise TypeError("an address where an asset is expected: it was not ingested")
    return value


def _file(value: Asset | str) -> File:
    asset = _asset(value)
    return File(name=asset.name, sha256=asset.sha256, size_bytes=asset.size_bytes)


def _cost(measurement: Measurement) -> dict[str, Any]:
    return measurement.model_dump(mode="json")

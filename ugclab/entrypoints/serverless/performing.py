"""One order from its addresses to its answer: fetch, analyse, swap, stitch, store. The engine stays loaded.

The stages are those of the queue's worker (jobs/stages.py) over the same engine child, without its database: nothing is
remembered here but what lies in the store. A job that the platform gives out again is answered from there, and where it
was broken off the store's artefacts are taken up.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, TypeVar

from ugclab.engines import registry
from ugclab.entrypoints.serverless.answers import StageFailed
from ugclab.entrypoints.serverless.results import Shelf
from ugclab.errors import Cancelled, StageTimeout, UgclabError
from ugclab.jobs import logs
from ugclab.jobs.lane import Lane, Stopping
from ugclab.jobs.meter import Meter
from ugclab.jobs.tasks import Done, Said, SetUp, Task
from ugclab.net.client import GuardedClient
from ugclab.pipeline.measure import measured
from ugclab.pipeline.plan import SwapRequest, fixed_plan
from ugclab.pipeline.swap_job import Analysed, Stitched, compose_report
from ugclab.schema.contract import OrderOutput
from ugclab.schema.job import JobProgress, Request
from ugclab.schema.report import Measurement, Outcome, Report
from ugclab.settings import Settings
from ugclab.storage import intake
from ugclab.storage.artefacts import Artefacts
from ugclab.storage.local import LocalStore
from ugclab.storage.opening import open_store
from ugclab.storage.store import Store

_LOG = logging.getLogger(__name__)
_LONGEST_WAIT_S = 30.0

_T = TypeVar("_T")
Told = Callable[[JobProgress], None]
Step = Literal["analyse", "swap", "stitch"]


class Performer:
    """Does one order at a time; its engine's process lives as long as it does."""

    def __init__(self, settings: Settings, *, store: Store | None = None) -> None:
        self.settings = settings
        self._store = store
        self._lane = Lane(settings, "engine", 1)
        self.client = GuardedClient(settings.intake_hosts)
        self._setting_up = threading.Thread(target=self._set_up, name="set-up", daemon=True)
        self._set_up_error: Exception | None = None
        self._pid: int | None = None

    @cached_property
    def store(self) -> Store:
        """Where results lie; opened when first needed."""
        return self._store or open_store(self.settings)

    def warm(self) -> None:
        """Start the engine's process and have it load, while the caller does something else."""
        self._lane.warm()
        self._pid = next(iter(self._lane.pids), None)
        self._setting_up.start()

    def ready(self) -> None:
        """Wait until the engine is loaded. Raises what loading it raised."""
        if self._setting_up.ident is not None:
            self._setting_up.join()
        if self._set_up_error is not None:
            raise self._set_up_error

    def _set_up(self) -> None:
        name, settings = self.settings.serverless_engine, self.settings
        if not name:
            return
        begun = time.monotonic()
        try:
            with self._lane.child(lambda: True) as child:
                task = SetUp(number=self._lane.number(), engine=name)
                limit_s = settings.stage_timeout_s  # loading a large model says nothing for minutes
                child.run(task, lambda said: None, lambda: True, limit_s=limit_s, hang_s=limit_s)
        except Stopping:
            return
        except Exception as error:
            self._set_up_error = error
            _LOG.error("the engine '%s' cannot be set up: %s", name, error)
        else:
            _LOG.info("the engine '%s' is set up, %.2f s", name, time.monotonic() - begun)

    @property
    def worn(self) -> bool:
        """Whether the engine's process died or had to be killed: what it held of a GPU may not all have come back."""
        return self._pid is not None and self._pid not in self._lane.pids

    @property
    def pids(self) -> list[int]:
        """The engine's process, while it lives."""
        return self._lane.pids

    def perform(
        self, job_id: str, request: Request, told: Told, cancelled: threading.Event, limit_s: float
    ) -> OrderOutput:
        """Do it, or answer from the store what was done before. Raises StageFailed, Cancelled, and what
        shows before the first stage.
        """
        if self._pid is None:
            self._lane.warm()
            self._pid = next(iter(self._lane.pids), None)
        registry.require(registry.find(request.engine), self.settings)
        shelf = Shelf(self.store, self.settings, job_id, request)
        run = _Run(self, self._lane, shelf, request, told, cancelled, limit_s)
        if (found := run.attempt("look", shelf.find)) is not None:
            _LOG.info("answered from the store")
            return found
        try:
            with Artefacts(LocalStore(self.settings.artefacts_dir), self.settings.artefact_cap_mb, shelf.scope) as kept:
                return run.all(kept)
        except BaseException:
            shelf.clear()
            raise

    def close(self) -> None:
        """End the engine's process, whatever it does."""
        self._lane.close()


class _Run:
    """One order's stages."""

    def __init__(
        self,
        performer: Performer,
        lane: Lane,
        shelf: Shelf,
        request: Request,
        told: Told,
        cancelled: threading.Event,
        limit_s: float,
    ) -> None:
        self._client, self._settings = performer.client, performer.settings
        self._lane = lane
        self._shelf = shelf
        self._request = request
        self._cancelled = cancelled
        self._limit_s = limit_s
        self._end = time.monotonic() + limit_s
        self._meter = Meter(lambda progress: self._tell(told, progress))
        self._measurements: list[Measurement] = []
        self._warnings: list[str] = []

    def _tell(self, told: Told, progress: JobProgress) -> bool:
        told(progress)
        return self._wanted()

    def _wanted(self) -> bool:
        return not self._cancelled.is_set() and time.monotonic() < self._end

    def attempt(self, stage: str, do: Callable[[], _T], segment: int | None = None) -> _T:
        """Do a stage, again after a passing fault. Raises Cancelled, and StageFailed from whatever else it raised."""
        number = 1
        with logs.about(stage=stage if segment is None else f"{stage} {segment}"):
            while True:
                try:
                    self._check()
                    return do()
                except Cancelled as error:
                    if self._cancelled.is_set():
                        raise
                    raise StageFailed(stage, self._late(), segment) from error
                except UgclabError as error:
                    if not error.passing or number >= self._settings.stage_attempts:
                        raise StageFailed(stage, error, segment) from error
                    wait = min(_LONGEST_WAIT_S, self._settings.retry_s * 2 ** (number - 1)) * random.uniform(0.8, 1.2)  # noqa: S311
                    _LOG.warning("%s failed (%s), try %d follows in %.1f s", stage, error.message, number + 1, wait)
                    number += 1
                    self._cancelled.wait(min(wait, max(0.0, self._end - time.monotonic())))
                except Exception as error:
                    _LOG.exception("a fault of ours")
                    raise StageFailed(stage, error, segment) from error

    def _check(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled("cancelled")
        if time.monotonic() >= self._end:
            raise self._late()

    def _late(self) -> StageTimeout:
        return StageTimeout(
            f"the job took longer than {self._limit_s:g} s",
            hint="cut the video, or raise UGCLAB_SERVERLESS_LIMIT_S and the endpoint's execution timeout",
        )

    def all(self, kept: Artefacts) -> OrderOutput:
        """Every stage, in a workspace that goes with them."""
        self._work = kept.workspace()
        files = self.attempt("ingest", self._fetch)
        swap_request = self._swap_request(files)
        self.attempt("consent", self._shelf.keep_consent)
        analysed = Analysed.model_validate(self._task("analyse", swap_request).value)
        swaps = [s.index for s in analysed.plan.swaps]
        self._meter.plan({index: analysed.frames.get(index, 0) for index in swaps}, str(analysed.plan))
        outcomes = [Outcome.model_validate(self._task("swap", swap_request, index).value) for index in swaps]
        stitched = Stitched.model_validate(self._task("stitch", swap_request).value)
        with measured() as cost:
            self.attempt(
                "upload", partial(self._shelf.put, self._shelf.video, swap_request.out, stitched.output.sha256)
            )
            self.attempt("upload", partial(self._shelf.put, self._shelf.sheet, self._sheet))
        self._measured("upload", cost)
        self._meter.at("publish")
        report = self._report(swap_request, analysed, outcomes, stitched)
        return self.attempt("publish", lambda: self._shelf.publish(report))

    def _fetch(self) -> dict[str, Path]:
        """Bring what the order names, and check what came."""
        given = self._request.input
        files: dict[str, Path] = {}
        with measured() as cost:
            for role in ("source", "avatar", "photo"):
                address = getattr(given, role)
                if address is None:
                    continue
                folder = self._work / f"in-{role}"
                folder.mkdir(exist_ok=True)
                path = intake.fetch(
                    address,
                    folder,
                    self._settings,
                    self._request.principal,
                    kind="source" if role == "source" else "avatar",
                    client=self._client,
                    on_progress=lambda done, total: self._meter.at("ingest", None, done, total),
                    cancelled=lambda: not self._wanted(),
                )
                if role == "source":
                    self._check_footage(path)
                else:
                    intake.check_picture(path, self._settings)
                files[role] = path
        self._measured("ingest", cost)
        return files

    def _check_footage(self, path: Path) -> None:
        """Refuse what is no footage, a plan that does not fit it, and what may not cost so much."""
        from ugclab.bench.estimate import check_cost

        info = intake.check_footage(path, self._settings).info
        if info is not None:
            plan = self._request.input.plan
            fixed_plan(plan, info)
            check_cost(info, plan, self._request.engine, self._request.max_cost_usd, self._settings)

    @property
    def _sheet(self) -> Path:
        return self._work / "sheet.png"

    def _swap_request(self, files: Mapping[str, Path]) -> SwapRequest:
        options = self._request.options
        if "photo" in files:
            options = options.model_copy(
                update={"face": options.face.model_copy(update={"photo": str(files["photo"])})}
            )
        return SwapRequest(
            source=files["source"],
            avatar=files["avatar"],
            out=self._work / f"{files['source'].stem[:80] or 'video'}-swapped.mp4",
            plan=self._request.input.plan,
            engine=self._request.engine,
            options=options,
            contact_sheet=self._sheet,
        )

    def _task(self, step: Step, swap_request: SwapRequest, segment: int | None = None) -> Done:
        """Have the engine's process do a step; again after a passing fault."""
        done = self.attempt(step, lambda: self._told(step, swap_request, segment), segment)
        self._measurements += done.measurements
        self._warnings += done.warnings
        return done

    def _told(self, step: Step, swap_request: SwapRequest, segment: int | None) -> Done:
        self._meter.at(step, segment)

        def said(news: Said) -> None:
            self._meter.at(step, segment, *((news.done, news.total) if news.step == step else (0, 0)))

        settings, scope = self._settings, self._shelf.scope
        task = Task(
            number=self._lane.number(),
            job=f"{self._shelf.job_id}.{self._work.name}",
            step=step,
            segment=segment,
            scope=scope,
            request=swap_request,
        )
        with self._lane.child(self._wanted) as child:
            return child.run(task, said, self._wanted, limit_s=settings.stage_timeout_s, hang_s=settings.hang_s)

    def _measured(self, step: str, cost: Any) -> None:
        self._measurements.append(cost.measurement(step, usd_per_hour=self._settings.usd_per_hour))

    def _report(
        self, swap_request: SwapRequest, analysed: Analysed, outcomes: list[Outcome], stitched: Stitched
    ) -> Report:
        report = compose_report(
            self._shelf.job_id,
            swap_request,
            analysed,
            outcomes,
            stitched,
            self._measurements,
            tuple(dict.fromkeys(self._warnings)),
        )
        face = report.options.face
        shown = face.model_copy(update={"photo": Path(face.photo).name})  # reports are shown to others
        return report.model_copy(update={"options": report.options.model_copy(update={"face": shown})})

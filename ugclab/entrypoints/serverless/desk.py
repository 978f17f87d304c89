"""Where a platform's job is taken in and answered: `Desk.handle` is the handler, and knows of no platform.

Whatever happens is an answer, but for a cancellation: that is raised again once the work has really stopped.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from ugclab.entrypoints.serverless.answers import Discretion, StageFailed, discreet, error_of, failure, success
from ugclab.entrypoints.serverless.orders import admitted, job_name, read_order
from ugclab.entrypoints.serverless.performing import Performer
from ugclab.entrypoints.serverless.progress import Send, Teller
from ugclab.entrypoints.serverless.telling import tell
from ugclab.errors import Cancelled, InputError, UgclabError
from ugclab.jobs import logs
from ugclab.jobs.webhooks import Notification
from ugclab.schema.contract import OrderInput, OrderOutput
from ugclab.schema.ids import new_ulid
from ugclab.schema.job import JobError, JobState, Request

_LOG = logging.getLogger(__name__)
_CANCELLED_WEBHOOK_S = 5.0
"""A worker whose job was cancelled may be stopped any moment."""


class Desk:
    """Takes jobs in, one after the other or a few at once; the engine does one at a time."""

    def __init__(
        self,
        performer: Performer,
        discretion: Discretion,
        sender: Callable[[Mapping[str, Any]], Send | None] = lambda job: None,
        *,
        unique_ids: bool = True,
    ) -> None:
        """`sender` makes what posts the progress of a job, if anything does.

        Without `unique_ids` a job's id means nothing: tests at a terminal all have the same.
        """
        self._performer = performer
        self._settings = performer.settings
        self._discretion = discretion
        self._sender = sender
        self._unique_ids = unique_ids
        self._answered = 0

    async def handle(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Do a job and answer it. Raises CancelledError, and nothing else."""
        job_id = job_name(job.get("id")) if self._unique_ids else new_ulid()
        with logs.about(job=job_id):
            answer = await self._answer(job, job_id)
        self._answered += 1
        after = self._settings.serverless_refresh
        if self._performer.worn or (after and self._answered >= after):
            _LOG.info("this worker asks to be replaced, after %d jobs", self._answered)
            answer["refresh_worker"] = True
        return answer

    async def _answer(self, job: Mapping[str, Any], job_id: str) -> dict[str, Any]:
        record_id = _record_of(job.get("input"))
        try:
            given = read_order(job.get("input"))
        except InputError as error:
            _LOG.info("refused: %s", error.message)
            return failure(error_of(error, job_id), record_id, self._discretion)
        send = self._sender(job)
        if send is None:
            return await self._worked(job, job_id, given, lambda progress: None)
        async with Teller(send) as teller:
            return await self._worked(job, job_id, given, teller.note)

    async def _worked(
        self, job: Mapping[str, Any], job_id: str, given: OrderInput, told: Callable[[Any], None]
    ) -> dict[str, Any]:
        """Have a thread do it; a cancellation waits until that has stopped, with nothing left behind."""
        cancelled = threading.Event()
        limit_s = _limit_s(job, self._settings.serverless_limit_s)
        work = asyncio.ensure_future(asyncio.to_thread(self._done, job_id, given, told, cancelled, limit_s))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            _LOG.info("cancelled")
            cancelled.set()
            while not work.done():
                try:
                    await asyncio.wait({work})
                except asyncio.CancelledError:  # said twice: it stops as soon as it can
                    continue
            raise

    def _done(
        self, job_id: str, given: OrderInput, told: Callable[[Any], None], cancelled: threading.Event, limit_s: float
    ) -> dict[str, Any]:
        """The answer, whatever it is, once its receiver has been told."""
        settings = self._settings
        request: Request | None = None
        try:
            request = admitted(given, settings)
            _LOG.info("begun, record_id=%s", given.record_id)
            output = self._performer.perform(job_id, request, told, cancelled, limit_s)
        except Cancelled:
            error = JobError(code=Cancelled.code, message="the job was cancelled", hint="send it again")
            self._tell(request, job_id, JobState.CANCELLED, within_s=_CANCELLED_WEBHOOK_S, error=error)
            return failure(error, given.record_id, self._discretion)
        except Exception as fault:
            if not isinstance(fault, UgclabError | StageFailed):
                _LOG.exception("a fault of ours")
            error = discreet(error_of(fault, job_id), self._discretion)
            _LOG.error("failed in %s: %s: %s", error.stage or "admission", error.code, error.message)
            self._tell(request, job_id, JobState.FAILED, within_s=settings.serverless_webhook_s, error=error)
            return failure(error, given.record_id, self._discretion)
        output = self._published(request, job_id, output)
        _LOG.info("succeeded, %.2f s", output.seconds)
        return success(output, self._discretion)

    def _published(self, request: Request, job_id: str, output: OrderOutput) -> OrderOutput:
        """Tell the receiver; that it could not be told is a warning, and no reason to fail."""
        within_s = self._settings.serverless_webhook_s
        trouble = self._tell(request, job_id, JobState.SUCCEEDED, within_s=within_s, output=output)
        warnings = output.warnings
        if trouble:
            warnings += (f"the webhook was not delivered: {trouble}",)
        if not output.video_url:
            warnings += ("the result has no address: the store is a folder of this machine",)
        return output.model_copy(update={"warnings": warnings})

    def _tell(
        self,
        request: Request | None,
        job_id: str,
        state: JobState,
        *,
        within_s: float,
        output: OrderOutput | None = None,
        error: JobError | None = None,
    ) -> str:
        """Why the receiver was not told; empty where it was, or wished for nothing."""
        if request is None or not request.webhook_url:
            return ""
        notification = Notification(
            record_id=request.record_id,
            job_id=job_id,
            status=state,
            output_video_url=output.video_url if output else "",
            error=error,
            report=output.summary if output else None,
        )
        sent = tell(self._performer.client, self._settings, request.webhook_url, notification, within_s=within_s)
        if not sent.ok:
            _LOG.warning("webhook: %s", sent.error)
        return "" if sent.ok else sent.error


def _record_of(given: Any) -> str:
    """The caller's own name of a job whose input could not be read."""
    while isinstance(given, Mapping) and set(given) == {"input"}:
        given = given["input"]
    found = given.get("record_id") if isinstance(given, Mapping) else None
    return found[:200] if isinstance(found, str) else ""


def _limit_s(job: Mapping[str, Any], set_s: float) -> float:
    """Seconds a job may take: the operator's, or less where the job's own policy says so (milliseconds)."""
    policy = job.get("policy")
    told = policy.get("executionTimeout") if isinstance(policy, Mapping) else None
    if isinstance(told, int | float) and not isinstance(told, bool) and told > 0:
        return min(set_s, max(1.0, told / 1000 * 0.95))
    return set_s

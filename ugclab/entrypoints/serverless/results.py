"""What a worker leaves behind: its job's files in the store, and the answer that can be given again."""

import logging
from pathlib import Path
from typing import Any, Literal

from ugclab.errors import StoreError
from ugclab.jobs.admission import idempotency_key
from ugclab.schema.base import Frozen
from ugclab.schema.contract import OrderOutput
from ugclab.schema.job import Request
from ugclab.schema.report import Report
from ugclab.settings import Settings
from ugclab.storage import paths
from ugclab.storage.store import LONGEST_URL_S, Store

_LOG = logging.getLogger(__name__)


class Kept(Frozen):
    """An answer as it lies in the store; its address is signed anew whenever it is given."""

    schema_version: Literal[1] = 1
    ordered: str
    """The idempotency key of what was ordered: another order under the same id is another job."""
    name: str
    output: OrderOutput


class Shelf:
    """The places of one job."""

    def __init__(self, store: Store, settings: Settings, job_id: str, request: Request) -> None:
        self._store = store
        self._settings = settings
        self._request = request
        self.job_id = job_id
        user, project = request.principal.user, request.project
        self.scope = paths.project_prefix(user, project).rstrip("/")
        self.video = paths.render(user, project, job_id)
        self.sheet = paths.contact_sheet(user, project, job_id)
        self._consent = paths.consent(user, project, job_id)
        self._report = paths.report(user, project, job_id)
        self._answer = f"{paths.metadata_folder(user, project, job_id)}/answer.json"
        self._put: list[str] = []

    def find(self) -> OrderOutput | None:
        """The answer of an earlier run of the same job, if its result is still there."""
        try:
            kept = Kept.model_validate_json(self._store.read_bytes(self._answer))
        except (KeyError, ValueError):
            return None
        if kept.ordered != idempotency_key(self._request) or not self._store.exists(self.video):
            return None
        return kept.output.model_copy(update={"video_url": self._address(kept.name)})

    def keep_consent(self) -> None:
        """Write the record of consent, before anything is made with the face."""
        self._store.put_bytes(self._consent, self._request.consent.model_dump_json(indent=1).encode())

    def put(self, key: str, path: Path, sha256: str = "") -> None:
        """Put a file of the job into the store."""
        self._put.append(key)
        self._store.put_file(key, path, sha256=sha256)

    def publish(self, report: Report) -> OrderOutput:
        """Write the report and the answer; with that the job is done."""
        self._store.put_bytes(self._report, (report.model_dump_json(indent=1) + "\n").encode())
        output = OrderOutput(
            sha256=report.output.sha256,
            size_bytes=report.output.size_bytes,
            media_type="video/mp4",
            cost_usd=report.cost_usd,
            seconds=round(report.seconds, 3),
            warnings=report.warnings,
            summary=summary(report, self._request),
        )
        kept = Kept(ordered=idempotency_key(self._request), name=report.output.name, output=output)
        self._store.put_bytes(self._answer, kept.model_dump_json(indent=1, by_alias=False).encode())
        return output.model_copy(update={"video_url": self._address(report.output.name)})

    def clear(self) -> None:
        """Delete what was put there for a job that was not finished after all; the record of consent stays."""
        for key in self._put:
            try:
                self._store.delete_prefix(key)
            except StoreError as error:
                _LOG.warning("%s cannot be deleted: %s", key, error.message)

    def _address(self, name: str) -> str:
        """Where the result can be fetched: at the operator's public prefix, or at the store for seven days."""
        if self._settings.public_prefix:
            return f"{self._settings.public_prefix.rstrip('/')}/{self.video}"
        return self._store.url(self.video, LONGEST_URL_S, download_name=name) or ""


def summary(report: Report, request: Request) -> dict[str, Any]:
    """What is told of a report beside the result."""
    steps = [
        {"step": m.step, "segment": m.segment, "seconds": round(m.wall_s, 3), "reused": m.reused}
        for m in report.measurements
    ]
    return report.summary() | {"job_id": report.job_id, "record_id": request.record_id, "steps": steps}

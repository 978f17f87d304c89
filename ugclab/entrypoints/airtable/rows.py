"""A row as an order, and what becomes of its job as cells. Pure."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from ugclab.entrypoints.airtable import fields
from ugclab.entrypoints.airtable.client import Change, Row
from ugclab.entrypoints.airtable.fields import Column, Status
from ugclab.errors import ConsentError, InputError, UgclabError
from ugclab.schema.base import first_fault
from ugclab.schema.contract import OrderInput
from ugclab.schema.job import Consent, FaceTransformInput, JobState, JobView, Principal, Request
from ugclab.storage.artefacts import canonical_key

LONGEST = 1000
"""Characters of a reason."""

_FAIL_AGAIN = "set Status to Pending to have it done again"


@dataclass(frozen=True, slots=True)
class Asked:
    """A row read as a job."""

    request: Request
    same_as: str
    """What makes it the same again: files by Airtable's own ids, since their addresses change every few hours."""


@dataclass(frozen=True, slots=True)
class _File:
    address: str
    identity: str


def read(row: Row, table: str, principal: Principal, *, project: str, engine: str, consent: str) -> Asked:
    """Read a row as a job; `consent` is what the operator vouches for where the row names nobody.

    `table` names the table wherever it is read. Raises InputError, ConsentError: they say what to change in the row.
    """
    source = _file(row, fields.SOURCE, fields.SOURCE_FILE, "footage")
    avatar = _file(row, fields.AVATAR, fields.AVATAR_FILE, "photo of the face")
    given = {
        "source_video_url": source.address,
        "avatar_image_url": avatar.address,
        "plan": text(row.cells.get(fields.PLAN.name)),
        "engine": engine,
        "project": project,
        "record_id": row.record_id,
        "consent": text(row.cells.get(fields.CONSENT.name)) or consent,
    }
    try:
        order = OrderInput.model_validate(given)
    except ValidationError as error:
        where, what = first_fault(error)
        names = {
            "source_video_url": fields.SOURCE,
            "avatar_image_url": fields.AVATAR,
            "plan": fields.PLAN,
            "consent": fields.CONSENT,
        }
        name = names[where].name if where in names else where
        raise InputError(f"{name} cannot be used: {what.removeprefix('Value error, ')}") from error
    if not order.consent:
        raise ConsentError(
            "nobody is named who agreed to the use of the face",
            hint='write "NAME, 2026-11-20" into Consent, or own-face, or public-domain',
        )
    request = Request(
        input=FaceTransformInput(source=order.source_video_url, avatar=order.avatar_image_url, plan=order.plan),
        principal=principal,
        project=order.project,
        engine=order.engine,
        options=order.options,
        priority=order.priority.number,
        record_id=order.record_id,
        consent=Consent.parse(order.consent),
    )
    same = {
        "table": table,
        "record_id": row.record_id,
        "source": source.identity,
        "avatar": avatar.identity,
        "plan": order.plan,
        "engine": order.engine,
        "options": order.options.model_dump(mode="json"),
    }
    return Asked(request, canonical_key(same))


def _file(row: Row, address: Column, files: Column, what: str) -> _File:
    """The address of a file, from the one column or the other; the first goes first."""
    for column in (address, files):
        cell = row.cells.get(column.name)
        if isinstance(cell, list) and cell and isinstance(cell[0], Mapping):
            if len(cell) > 1:
                raise InputError(f"{column.name} holds {len(cell)} files", hint="leave one")
            return _File(str(cell[0].get("url", "")), str(cell[0].get("id", "")))
        if found := text(cell):
            return _File(found, found)
    raise InputError(f"there is no {what}", hint=f"fill {address.name} or {files.name}, then set Status to Pending")


def text(cell: Any) -> str:
    """A cell as text; of a list, as looked-up columns have it, the first."""
    if isinstance(cell, list):
        cell = cell[0] if cell else ""
    return "" if cell is None else str(cell).strip()


def status_of(state: JobState) -> Status:
    """How a row says what a job is."""
    return {JobState.SUCCEEDED: Status.COMPLETE, JobState.FAILED: Status.FAILED, JobState.CANCELLED: Status.FAILED}.get(
        state, Status.PROCESSING
    )


def taken(row: Row, job_id: str, columns: Collection[str]) -> Change:
    """The row is in hand: what an earlier job left in it goes. An empty `job_id` is a row that will be refused."""
    cells = {fields.JOB.name: job_id or None} | {c.name: None for c in (fields.OUTPUT, fields.ERROR, fields.COST)}
    there = {name: value for name, value in cells.items() if name in columns}
    return Change(row.record_id, Status.PROCESSING, there)


def ended(row: Row, job: JobView, link: str, columns: Collection[str], clean: Callable[[str], str]) -> Change:
    """What the end of its job writes into a row; `clean` takes secrets out of a text."""
    if job.status is JobState.SUCCEEDED:
        cells = {fields.OUTPUT.name: link, fields.ERROR.name: None, fields.COST.name: round(job.cost_usd, 4)}
        return Change(row.record_id, Status.COMPLETE, {n: v for n, v in cells.items() if n in columns})
    if job.error is not None:
        return failed(row, job.error.message, job.error.hint, clean)
    return failed(row, "the job was cancelled", _FAIL_AGAIN, clean)


def refused(row: Row, error: UgclabError, clean: Callable[[str], str]) -> Change:
    """What a row that never became a job is told."""
    return failed(row, error.message, error.hint, clean)


def failed(row: Row, message: str, hint: str, clean: Callable[[str], str]) -> Change:
    """The reason, on one line, and what to do."""
    sentences = (" ".join(part.split()).rstrip(".") for part in (message, hint) if part.strip())
    said = clean(". ".join(part[:1].upper() + part[1:] for part in sentences) + ".")
    return Change(row.record_id, Status.FAILED, {fields.ERROR.name: said[:LONGEST]})

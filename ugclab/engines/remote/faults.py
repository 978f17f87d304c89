"""What another machine says went wrong, as errors of ours: the same code is the same class here."""

import json
from collections.abc import Iterator
from typing import Any

from ugclab.errors import (
    Cancelled,
    ConsentError,
    EngineCrashed,
    EngineError,
    EngineUnavailable,
    NetworkError,
    UgclabError,
    error_of,
)
from ugclab.schema.job import JobError

LONGEST = 500
"""Characters of another machine's words that are repeated."""
_FULL = frozenset({"limit", "queue", "job_conflict"})
"""Codes that say that it takes no order for now."""


def error_there(told: JobError) -> UgclabError:
    """The error that ended an order, or that refused it."""
    words, hint = f"at the other machine: {told.message[:LONGEST]}", told.hint[:LONGEST]
    if told.code == Cancelled.code:
        return EngineCrashed("the order was cancelled at the other machine, and not by us", hint="it is sent again")
    if told.code == ConsentError.code:
        return ConsentError(words, hint=f"set UGCLAB_REMOTE_CONSENT, or UGCLAB_SERVICE_CONSENT there. {hint}".rstrip())
    if told.code in _FULL:
        return NetworkError(words, hint=hint)
    if told.code == UgclabError.code:
        return EngineError(words, hint=hint)
    return error_of(told.code, words, hint)


def refusal(status: int, body: bytes, host: str) -> UgclabError:
    """Why a request was not granted, as far as the answer tells."""
    told = told_in(body)
    if 300 <= status < 400:
        return EngineUnavailable(
            f"{host} sends us elsewhere ({status}), and the key is for no other address",
            hint="set UGCLAB_REMOTE_URL to the address it leads to",
        )
    if status in (401, 403):
        return EngineUnavailable(
            f"{host} does not accept the key ({status})", hint="set UGCLAB_REMOTE_KEY to a key of that machine"
        )
    if status in (408, 425, 429) or status >= 500:
        words = f": {told.message[:LONGEST]}" if told else ""
        return NetworkError(f"{host} cannot for now ({status}){words}", hint="try again later")
    if told is not None:
        return error_there(told)
    return EngineUnavailable(
        f"{host} does not know this kind of request ({status})",
        hint="check UGCLAB_REMOTE_URL and UGCLAB_REMOTE_KIND",
    )


def told_in(body: bytes | str) -> JobError | None:
    """An error in a JSON document: {code, message, hint}, alone or within `error`, `detail` or `output`."""
    try:
        document = json.loads(body)
    except ValueError:
        return None
    return found_in(document)


def found_in(document: Any) -> JobError | None:
    """The first error in a document; of FastAPI's own answers the words of the first."""
    for part in _parts(document):
        message = part.get("message") or part.get("msg")
        if isinstance(message, str):
            hint = part.get("hint")
            code = part.get("code") or ("input" if "msg" in part else "engine")
            return JobError(code=str(code), message=message, hint=hint if isinstance(hint, str) else "")
    said = {
        name: next((part[name] for part in _parts(document) if isinstance(part.get(name), str)), "")
        for name in ("error", "detail", "code", "hint")
    }
    words = said["error"] or said["detail"]
    return JobError(code=said["code"] or "engine", message=words, hint=said["hint"]) if words else None


def _parts(document: Any, depth: int = 3) -> Iterator[dict[str, Any]]:
    """The objects an error may lie in, outermost first; a text that is JSON is read, too."""
    if isinstance(document, str) and document.lstrip().startswith("{"):
        try:
            document = json.loads(document)
        except ValueError:
            return
    if isinstance(document, list):
        document = document[0] if document else None
    if not isinstance(document, dict) or not depth:
        return
    yield document
    for name in ("error", "detail", "output"):
        yield from _parts(document.get(name), depth - 1)

"""What was ordered, read and admitted before anything is fetched. Pure: nothing is opened, resolved or asked.

Raises InputError and its kin, whose messages name the field that is wrong.
"""

import hashlib
import re
from collections.abc import Mapping

from pydantic import ValidationError

from ugclab.errors import InputError, IntakeError
from ugclab.schema.base import first_fault
from ugclab.schema.contract import ASSET, OrderInput
from ugclab.schema.job import Principal, Request
from ugclab.settings import Settings
from ugclab.storage import intake

CALLER = Principal(user="runpod", trust="service")
"""Whoever holds the endpoint's key: one user of the store, with projects of its own."""

_HOW = "give an https:// address, presigned or not"
_JOB = re.compile(r"[A-Za-z0-9_@-][A-Za-z0-9._@-]{0,63}")


def job_name(given: object) -> str:
    """The platform's id of a job as a name in the store: as it is where it can be one, else its hash."""
    text = str(given or "")
    return text if _JOB.fullmatch(text) else hashlib.sha256(text.encode()).hexdigest()[:32]


def read_order(given: object) -> OrderInput:
    """Read a job's input, with or without the wrapper, by either of its fields' names. Raises InputError."""
    if not isinstance(given, Mapping):
        raise InputError("the input is not an object", hint='send {"input": {"source_video_url": …, …}}')
    try:
        return OrderInput.model_validate(dict(given))
    except ValidationError as error:
        raise _refusal(error) from None  # pydantic's text repeats what was given, signatures and all


def admitted(given: OrderInput, settings: Settings) -> Request:
    """The order as a request of ours, with nothing in it that its caller may not use.

    Raises IntakeError, ConsentError, InputError.
    """
    for role, address in given.files.items():
        if address.startswith(ASSET):
            raise IntakeError(f"the {role} names a file that was brought to a server, and this is none", hint=_HOW)
        intake.admit(CALLER, address, settings)
    if given.webhook_url:
        intake.admit_webhook(given.webhook_url, settings)
    if (given.options.face.kind == "like") != (given.photo_url is not None):
        raise InputError("the face `like` needs a photo_url", hint="send one, or choose the face another way")
    return given.request(CALLER, given.files, settings.service_consent)


def _refusal(error: ValidationError) -> InputError:
    """What is wrong, by the fields' names; what was given there is not repeated."""
    unknown, missing = _places(error, "extra_forbidden"), _places(error, "missing")
    if unknown:
        return InputError(f"the input has no field {_quoted(unknown)}", hint=f"there are: {_FIELDS}")
    if missing:
        return InputError(f"the input lacks {_quoted(missing)}", hint=f"there are: {_FIELDS}")
    place, said = first_fault(error)
    said = said.removeprefix("Value error, ")
    return InputError(f"{place[:80]}: {said}" if place else said, hint="see docs/runpod.md for what each field takes")


def _places(error: ValidationError, kind: str) -> list[str]:
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    return [".".join(map(str, fault["loc"]))[:80] for fault in faults if fault["type"] == kind][:5]


def _quoted(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


_FIELDS = ", ".join([*OrderInput.model_fields, "video_url", "avatar_url"])

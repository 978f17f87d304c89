"""What is said to whoever ordered: data, never a traceback, a path of this machine or a secret."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from ugclab.errors import EngineCrashed, UgclabError
from ugclab.jobs.logs import Redactor
from ugclab.schema.contract import OrderOutput
from ugclab.schema.job import JobError
from ugclab.settings import Settings

_PATH = re.compile(r"(?<![\w/.:])/(?:[\w.@+~=-]+/)+([\w.@+~=-]*)")
"""An absolute path; an address has a colon or a letter before its slashes, a rate a letter."""


class Discretion:
    """Takes out of a text what only the operator may know: secrets, and where things lie on this machine."""

    def __init__(self, settings: Settings, secrets: Iterable[SecretStr | str] = ()) -> None:
        self._redact = Redactor([settings.webhook_secret, _password(settings.database_url), *secrets])
        folders = {settings.data_dir, settings.cache_dir, Path.home()}
        known = sorted({str(f.expanduser()) for f in folders} - {"/"}, key=len, reverse=True)
        self._folders = re.compile("|".join(f"{re.escape(folder)}/?" for folder in known))

    def __call__(self, text: str) -> str:
        """The text without them; of a path its last name stays."""
        return _PATH.sub(r"\1", self._folders.sub("", self._redact(text)))


class StageFailed(Exception):
    """An error with the stage it happened in."""

    def __init__(self, stage: str, error: Exception, segment: int | None = None) -> None:
        super().__init__(str(error))
        self.stage = stage
        self.error = error
        self.segment = segment


def error_of(error: Exception, job_id: str) -> JobError:
    """An error for a program and a person; of one that is not ours only its kind, the log has the rest."""
    if isinstance(error, StageFailed):
        told = error_of(error.error, job_id)
        return told.model_copy(
            update={"stage": error.stage, "segment": told.segment if error.segment is None else error.segment}
        )
    if not isinstance(error, UgclabError):
        return JobError(
            code=UgclabError.code,
            message=f"a fault of ours ({type(error).__name__})",
            hint=f"the worker's log has the rest, under job={job_id}; please report it",
        )
    message = error.message
    if isinstance(error, EngineCrashed):
        message = message.split("): ")[0] + ")" * ("): " in message)  # a dying process's last words are a traceback
    elif error.code == UgclabError.code:
        message = ": ".join(message.split(": ")[:2])  # of a fault in the engine's process its kind alone
    return JobError(code=error.code, message=message, hint=error.hint, segment=error.segment)


def failure(error: JobError, record_id: str, discretion: Discretion) -> dict[str, Any]:
    """The answer of a job that failed: `error` as one line that begins with its code, and the same as fields.

    The platform shows `error` everywhere, the other fields where it shows the output of failed jobs.
    """
    told = discreet(error, discretion)
    line = f"{told.code}: {told.message}"
    fields = told.model_dump(mode="json") | {"record_id": record_id}
    return {"error": f"{line}. {told.hint}" if told.hint else line, **fields}


def discreet(error: JobError, discretion: Discretion) -> JobError:
    """The same without what only the operator may know."""
    return error.model_copy(update={"message": discretion(error.message), "hint": discretion(error.hint)})


def success(output: OrderOutput, discretion: Discretion) -> dict[str, Any]:
    """The answer of a job that is done: an OrderOutput as the contract writes it."""
    told = output.model_copy(update={"warnings": tuple(discretion(warning) for warning in output.warnings)})
    return told.model_dump(mode="json", by_alias=True)


def _password(url: str) -> str:
    """Of a database's address."""
    return url.partition("://")[2].rpartition("@")[0].partition(":")[2]

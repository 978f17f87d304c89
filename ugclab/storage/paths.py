"""Where the platform's objects lie in a store: `users/{user}/projects/{project}/{kind}/…`.

Pure: names in, keys out. A name is checked before it becomes a folder, and the prefixes end with a slash, so that no
name reaches another's objects. Deleting a user or a project is `store.delete_prefix` of its prefix.
"""

import re
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from ugclab.errors import InputError
from ugclab.schema.job import Name
from ugclab.storage.store import MEDIA_TYPES

Kind = Literal["source", "clips", "audio", "renders", "thumbnails", "metadata"]
"""The folders of a project. Sources, clips and audio lie there by their hash, the others by their job."""

_NAME = TypeAdapter(Name)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SUFFIX = re.compile(r"(\.[a-z0-9]{1,10})?")


def user_prefix(user: str) -> str:
    """Everything of a user, with a slash at its end. Raises InputError."""
    return f"users/{_checked(user, 'user')}/"


def project_prefix(user: str, project: str) -> str:
    """Everything of a project, with a slash at its end. Raises InputError."""
    return f"{user_prefix(user)}projects/{_checked(project, 'project')}/"


def folder(user: str, project: str, kind: Kind) -> str:
    """A project's folder of one kind, without a slash at its end. Raises InputError."""
    return f"{project_prefix(user, project)}{kind}"


def asset(user: str, project: str, sha256: str, suffix: str = "", *, kind: Kind = "source") -> str:
    """What came in, by the hash of its bytes. Raises InputError."""
    if not _SHA256.fullmatch(sha256) or not _SUFFIX.fullmatch(suffix):
        raise InputError(f"{sha256!r} with {suffix!r} is not a hash and a suffix", hint="as 'e3b0…' and '.mp4'")
    return f"{folder(user, project, kind)}/{sha256}{suffix}"


def render(user: str, project: str, job_id: str, suffix: str = ".mp4") -> str:
    """The result of a job. Raises InputError."""
    if not _SUFFIX.fullmatch(suffix):
        raise InputError(f"{suffix!r} is not a suffix", hint="as '.mp4'")
    return f"{folder(user, project, 'renders')}/{_checked(job_id, 'job')}{suffix}"


def contact_sheet(user: str, project: str, job_id: str) -> str:
    """The before/after picture of a job. Raises InputError."""
    return f"{folder(user, project, 'thumbnails')}/{_checked(job_id, 'job')}.png"


def look(user: str, project: str, digest: str, job_id: str = "") -> str:
    """Where the pictures of a look lie, without a slash at its end; those of a job lie with it. Raises InputError."""
    if not _SHA256.fullmatch(digest):
        raise InputError(f"{digest[:80]!r} is not a hash", hint="as 'e3b0…'")
    return f"{looks_of_job(user, project, job_id) if job_id else looks_folder(user, project)}/{digest}"


def looks_folder(user: str, project: str) -> str:
    """What was looked at in a project, without a slash at its end. Raises InputError."""
    return f"{folder(user, project, 'thumbnails')}/looks"


def looks_of_job(user: str, project: str, job_id: str) -> str:
    """What was looked at of a job, without a slash at its end. Raises InputError."""
    return f"{folder(user, project, 'thumbnails')}/{_checked(job_id, 'job')}"


def metadata_folder(user: str, project: str, job_id: str) -> str:
    """What is written down about a job, without a slash at its end. Raises InputError."""
    return f"{folder(user, project, 'metadata')}/{_checked(job_id, 'job')}"


def consent(user: str, project: str, job_id: str) -> str:
    """Who agreed to the use of the face. Raises InputError."""
    return f"{metadata_folder(user, project, job_id)}/consent.json"


def report(user: str, project: str, job_id: str) -> str:
    """What a job did and cost. Raises InputError."""
    return f"{metadata_folder(user, project, job_id)}/report.json"


def of_job(user: str, project: str, job_id: str) -> tuple[str, ...]:
    """All that is a job's own: what goes when it is deleted. Raises InputError."""
    return (
        render(user, project, job_id),
        contact_sheet(user, project, job_id),
        looks_of_job(user, project, job_id),
        metadata_folder(user, project, job_id),
    )


def suffix_of(media_type: str) -> str:
    """How the key of such bytes ends; nothing for a type that is not in the table."""
    return next((suffix for suffix, known in MEDIA_TYPES.items() if known == media_type), "")


def media_type_of(key: str) -> str:
    """What a key says its bytes are."""
    dot = key.rfind(".")
    return MEDIA_TYPES.get(key[dot:].lower() if dot >= 0 else "", "application/octet-stream")


def _checked(name: str, what: str) -> str:
    try:
        return _NAME.validate_python(name)
    except ValidationError as error:
        raise InputError(
            f"{name[:80]!r} cannot be the name of a {what}",
            hint="up to 64 letters, digits, '_', '-', '@' or dots, no dot in front",
        ) from error

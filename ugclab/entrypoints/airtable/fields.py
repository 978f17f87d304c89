"""The table's columns: what is looked for, what is made where it is missing, and what is left alone.

Pure. `Source_Video_URL`, `Avatar_Image_URL`, `Status`, `Output_Video_URL` and `Error` are needed; the others are used
where they are there. An existing column may be of any type that serves.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """Where a row stands. Rows with none of these are left alone."""

    PENDING = "Pending"
    PROCESSING = "Processing"
    COMPLETE = "Complete"
    FAILED = "Failed"


_TEXT = ("singleLineText", "multilineText", "richText", "url")
_COMPUTED = ("formula", "multipleLookupValues")
_SELECT = "singleSelect"
_FILES = "multipleAttachments"
_COLOURS = ("yellowBright", "blueBright", "greenBright", "redBright")


@dataclass(frozen=True, slots=True)
class Column:
    """One column as it is made, and the types that serve as well."""

    name: str
    type: str
    about: str
    also: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    needed: bool = False

    def model(self) -> dict[str, Any]:
        """As Airtable's field model has it."""
        made: dict[str, Any] = {"name": self.name, "type": self.type, "description": self.about}
        return made | ({"options": dict(self.options)} if self.options else {})


NAME = Column("Name", "singleLineText", "What the video is; for people.")
SOURCE = Column("Source_Video_URL", "url", "The footage, as an address.", (*_TEXT, *_COMPUTED, _FILES), needed=True)
AVATAR = Column("Avatar_Image_URL", "url", "A photo of the face to put in.", (*_TEXT, *_COMPUTED, _FILES), needed=True)
STATUS = Column(
    "Status",
    _SELECT,
    "Set it to Pending, and the video is made.",
    ("singleLineText",),
    {"choices": [{"name": s.value, "color": c} for s, c in zip(Status, _COLOURS, strict=True)]},
    needed=True,
)
OUTPUT = Column("Output_Video_URL", "url", "Where the result is.", _TEXT, needed=True)
ERROR = Column("Error", "multilineText", "Why it failed, and what to do.", _TEXT, needed=True)
SOURCE_FILE = Column("Source_Video", _FILES, "The footage as a file, where there is no address.")
AVATAR_FILE = Column("Avatar_Image", _FILES, "The photo as a file, where there is no address.")
PLAN = Column("Plan", "singleLineText", "As 0-5:swap,5-15:keep; the default if empty.", (*_TEXT, *_COMPUTED, _SELECT))
CONSENT = Column(
    "Consent",
    "singleLineText",
    "Who agreed to the use of the face, and when: NAME, 2026-11-20; or own-face, or public-domain.",
    (*_TEXT, *_COMPUTED, _SELECT),
)
JOB = Column("Job_ID", "singleLineText", "The job of this row.", _TEXT)
COST = Column("Cost_USD", "number", "What it cost.", ("currency", "singleLineText"), {"precision": 4})

COLUMNS = (
    NAME,
    SOURCE,
    AVATAR,
    STATUS,
    OUTPUT,
    ERROR,
    SOURCE_FILE,
    AVATAR_FILE,
    PLAN,
    CONSENT,
    JOB,
    COST,
)
"""In the order in which they are made; the first is the primary one of a new table."""


@dataclass(frozen=True, slots=True)
class Found:
    """A column that is there."""

    name: str
    type: str
    choices: tuple[str, ...] = ()
    id: str = ""


@dataclass(frozen=True, slots=True)
class Compared:
    """The table beside what is looked for."""

    present: frozenset[str]
    """Columns of ours that are there and serve."""
    missing: tuple[Column, ...]
    differs: tuple[str, ...]
    """What is there and does not serve, a sentence each: it is for its owner to change."""

    @property
    def lacks(self) -> tuple[str, ...]:
        """Needed columns that are not there, or do not serve."""
        return tuple(c.name for c in COLUMNS if c.needed and c.name not in self.present)


def compare(found: Iterable[Found]) -> Compared:
    """Say what of ours is there, what is missing, and what differs. A table's own first column serves as the name."""
    there = {column.name: column for column in found}
    present, missing, differs = set(), [], []
    for wanted in COLUMNS:
        column = there.get(wanted.name)
        if column is None:
            if wanted is not NAME or not there:
                missing.append(wanted)
        elif column.type not in (wanted.type, *wanted.also):
            differs.append(f"{wanted.name} is of the type {column.type}, {wanted.type} is expected")
        elif column.type == _SELECT and wanted is STATUS and (lost := set(Status) - set(column.choices)):
            names = ", ".join(f"'{status}'" for status in Status if status in lost)
            differs.append(f"{wanted.name} lacks the choice{'s' if len(lost) > 1 else ''} {names}")
        else:
            present.add(wanted.name)
    return Compared(frozenset(present), tuple(missing), tuple(differs))

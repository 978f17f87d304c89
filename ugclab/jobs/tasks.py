"""What a worker's supervisor and its engine child say to each other: one JSON document a line, both ways."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ugclab.errors import UgclabError, error_of
from ugclab.pipeline.plan import SwapRequest
from ugclab.schema.base import Frozen
from ugclab.schema.look import Look
from ugclab.schema.report import Measurement


class Task(Frozen):
    """A step to do. A child keeps what it knows of the job it worked on last, since its next step mostly follows."""

    kind: Literal["task"] = "task"
    number: int
    job: str
    step: Literal["analyse", "swap", "stitch"]
    segment: int | None = None
    scope: str
    request: SwapRequest


class LookTask(Frozen):
    """Something to be looked at."""

    kind: Literal["look"] = "look"
    number: int
    scope: str
    look: Look
    files: dict[str, Path] = Field(description="what the look names, by role, on this machine's disk")
    out: Path = Field(description="an empty folder for what is made")
    folder: str = Field(description="where in the store it will lie")

    @property
    def step(self) -> str:
        """What a person calls it."""
        return "the look at " + {"frame": "a frame", "strip": "the footage", "faces": "the faces"}.get(
            self.look.kind, "the result"
        )


class SetUp(Frozen):
    """An engine to be loaded before somebody waits for it, its model files fetched where they are missing."""

    kind: Literal["set_up"] = "set_up"
    number: int
    engine: str

    @property
    def step(self) -> str:
        """What a person calls it."""
        return f"setting up the engine '{self.engine}'"


class Cancel(Frozen):
    """Stop the task of that number."""

    kind: Literal["cancel"] = "cancel"
    number: int


class Said(Frozen):
    """How far a task is; also a sign of life."""

    kind: Literal["said"] = "said"
    number: int
    step: str
    segment: int | None = None
    done: int = 0
    total: int = 0


class Done(Frozen):
    """What a task came to, and what it cost."""

    kind: Literal["done"] = "done"
    number: int
    value: dict[str, Any]
    measurements: tuple[Measurement, ...] = ()
    warnings: tuple[str, ...] = ()


class Failed(Frozen):
    """Why a task failed."""

    kind: Literal["failed"] = "failed"
    number: int
    code: str
    message: str
    hint: str = ""
    segment: int | None = None

    @classmethod
    def of(cls, number: int, error: Exception) -> "Failed":
        """Describe an error; one that is not ours keeps its type's name and nothing of its text's origin."""
        if isinstance(error, UgclabError):
            return cls(number=number, code=error.code, message=error.message, hint=error.hint, segment=error.segment)
        return cls(
            number=number,
            code=UgclabError.code,
            message=f"a fault of ours: {type(error).__name__}: {str(error)[:500]}",
            hint="the worker's log has the rest; please report it",
        )

    def error(self) -> UgclabError:
        """The error again, of its own class."""
        return error_of(self.code, self.message, self.hint, self.segment)

"""Who does the jobs of a scenario for Make: where they are sent, what is sent, and in which words it is answered.

The order is an `OrderInput` (schema/contract.py) wherever it goes. A server of ours answers as `/v1/jobs` and tells as
jobs/webhooks.py; Runpod answers and tells as its endpoints do, with an `OrderOutput` inside.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from ugclab.entrypoints.airtable import fields
from ugclab.entrypoints.airtable.fields import Column
from ugclab.errors import InputError

HOOK = "https://hook.example.invalid/the-address-of-the-result-scenario"
"""Stands for the address that Make gives the webhook of `3-result`."""

_ANY = "\\x22\\x5C\\s"  # a quote, a backslash, a line break: what would end a string of JSON early


@dataclass(frozen=True, slots=True)
class Target:
    """Who does the jobs, and the words of its answers: names of fields, dotted where they lie deeper."""

    name: str
    submit_url: str
    status_url: str
    body: Mapping[str, Any]
    job: str
    """Of the answer to a submit."""
    refused: Sequence[str]
    """Of an answer that is no success."""
    done: str
    """The word for success, of a status and of the news."""
    failed: Sequence[str]
    video: str
    """Of the answer to a status."""
    reason: Sequence[str]
    news_key: str
    """What in the news names the row, and how it is found by it."""
    news_formula: str
    news_video: str
    news_reason: Sequence[str]

    @classmethod
    def server(cls, address: str, hook: str = "") -> Self:
        """A server of ours (`ugclab serve`): POST /v1/jobs, and the news as jobs/webhooks.py tells it."""
        root = _address(address).rstrip("/")
        return cls(
            name="server",
            submit_url=f"{root}/v1/jobs",
            status_url=f"{root}/v1/jobs/",
            body=_order() | ({"webhook_url": hook} if hook else {}),
            job="job_id",
            done="succeeded",
            failed=("failed", "cancelled"),
            refused=("message", "hint"),
            video="output.url",
            reason=("error.message", "error.hint"),
            news_key="record_id",
            news_formula='RECORD_ID()="{}"',
            news_video="output_video_url",
            news_reason=("error.message", "error.hint"),
        )

    @classmethod
    def runpod(cls, endpoint: str, hook: str = "") -> Self:
        """A serverless endpoint of Runpod's: its own queue, its own news, our order inside."""
        if not endpoint.replace("-", "").replace("_", "").isalnum():
            raise InputError(f"{endpoint[:40]!r} is no endpoint of Runpod's", hint="it is in the endpoint's address")
        root = f"https://api.runpod.ai/v2/{endpoint}"
        return cls(
            name="runpod",
            submit_url=f"{root}/run",
            status_url=f"{root}/status/",
            body={"input": _order()} | ({"webhook": hook} if hook else {}),
            job="id",
            done="COMPLETED",
            failed=("FAILED", "CANCELLED", "TIMED_OUT"),
            refused=("error",),
            video="output.videoUrl",
            reason=("error",),
            news_key="id",
            news_formula='{{Job_ID}}="{}"',
            news_video="output.videoUrl",
            news_reason=("error",),
        )


def _order() -> dict[str, str]:
    """The row as an OrderInput; a cell that is empty is a field that is not given."""
    return {
        "source_video_url": _either(fields.SOURCE, fields.SOURCE_FILE),
        "avatar_image_url": _either(fields.AVATAR, fields.AVATAR_FILE),
        "plan": f"{{{{1.{fields.PLAN.name}}}}}",
        "consent": f'{{{{replace(1.{fields.CONSENT.name}; "/[{_ANY}]+/g"; space)}}}}',
        "record_id": "{{1.id}}",
    }


def _either(address: Column, files: Column) -> str:
    return f"{{{{ifempty(1.{address.name}; 1.{files.name}[].url)}}}}"


def _address(text: str) -> str:
    if not text.startswith(("https://", "http://")):
        raise InputError(f"{text[:80]!r} is no address of a server", hint="--server https://…")
    return text

"""Telling somebody that a job has ended, signed as Standard Webhooks has it (standardwebhooks.com).

One try is one call of `deliver`; how many there are, and when, is the schedule's. The event id stays the same from try
to try, the timestamp is that of the try, and the signature covers both with the body.
"""

import base64
import binascii
import hashlib
import hmac
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from ugclab.errors import InputError, IntakeError, NetworkError
from ugclab.net.client import Answer, GuardedClient
from ugclab.schema.base import Frozen
from ugclab.schema.job import JobError, JobState

LONGEST_RETRY_AFTER_S = 6 * 3600.0
"""A receiver may ask for more patience than this; it gets this much."""
JITTER = 0.2
"""Waits are longer by up to this share: receivers that come back are not met by all at once."""

_KEY_BYTES = range(24, 65)  # what the specification asks for
_GONE = 410


class Notification(Frozen):
    """What a receiver is told of a job that has ended."""

    schema_version: Literal[1] = 1
    type: str = Field("", description='the event: "job.succeeded", "job.failed", "job.cancelled"')
    record_id: str = Field("", description="the caller's own name for it")
    job_id: str
    status: JobState
    output_video_url: str = Field("", description="the stable link to the result; empty without one")
    error: JobError | None = None
    report: dict[str, Any] | None = Field(None, description="summary: what was done, and what it cost")

    @model_validator(mode="before")
    @classmethod
    def _named(cls, data: Any) -> Any:
        named = isinstance(data, dict) and "status" in data and not data.get("type")
        return {**data, "type": f"job.{data['status']}"} if named else data

    @model_validator(mode="after")
    def _ended(self) -> Self:
        if not self.status.terminal:
            raise ValueError(f"a job that is {self.status} has not ended")
        return self

    def body(self) -> bytes:
        """The JSON that is sent, and signed."""
        return self.model_dump_json().encode()


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one try."""

    ok: bool
    status: int = 0
    """HTTP status; 0 where nothing was answered."""
    retry_after_s: float | None = None
    """How long the receiver asks to be left alone, at least."""
    gone: bool = False
    """Never try again: the receiver says that it wants no more, or its address is one that can never be asked."""
    error: str = ""
    """For the owner of the job: no part of the address but its host."""


def message(event_id: str, timestamp: int, body: bytes, secret: str) -> dict[str, str]:
    """The three headers of a signed message; with several secrets, separated by spaces, a signature for each.

    `timestamp` is in whole seconds of Unix time. Without a secret the message is not signed. Raises InputError for a
    secret that is none, without repeating it.
    """
    headers = {"webhook-id": event_id, "webhook-timestamp": str(timestamp)}
    signed = f"{event_id}.{timestamp}.".encode() + body
    signatures = [_signature(key, signed) for key in signing_keys(secret)]
    return headers | ({"webhook-signature": " ".join(signatures)} if signatures else {})


def signing_keys(secret: str) -> list[bytes]:
    """Read `whsec_…` secrets, separated by spaces: both are in use while one replaces the other. Raises InputError."""
    keys = []
    for text in secret.split():
        coded = text.removeprefix("whsec_")
        try:
            key = base64.b64decode(coded + "=" * (-len(coded) % 4), validate=True) if coded != text else b""
        except (binascii.Error, ValueError):
            key = b""
        if len(key) not in _KEY_BYTES:
            raise InputError(
                "the webhook secret is not whsec_ and 24 to 64 bytes in base64",
                hint='set UGCLAB_WEBHOOK_SECRET="whsec_$(openssl rand -base64 32)"',
            ) from None
        keys.append(key)
    return keys


def _signature(key: bytes, signed: bytes) -> str:
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def deliver(
    client: GuardedClient,
    url: str,
    event_id: str,
    body: bytes,
    secret: str,
    *,
    timeout_s: float,
    clock: Callable[[], float] = time.time,
) -> Delivery:
    """Make one try. Raises InputError for a secret that is none; whatever the receiver does is a Delivery."""
    headers = {"Content-Type": "application/json", **message(event_id, int(clock()), body, secret)}
    try:
        client.check(url)
    except IntakeError as error:
        return Delivery(ok=False, gone=True, error=error.message)
    try:
        answer = client.post(url, body, headers, timeout_s=timeout_s)
    except (IntakeError, NetworkError) as error:  # a certificate, or a name's address, may be mended
        return Delivery(ok=False, error=error.message)
    if 200 <= answer.status < 300:
        return Delivery(ok=True, status=answer.status)
    return Delivery(
        ok=False,
        status=answer.status,
        retry_after_s=_retry_after_s(answer, clock()),
        gone=answer.status == _GONE,
        error=f"the receiver answered {answer.status}",
    )


def _retry_after_s(answer: Answer, now: float) -> float | None:
    """How long to wait, at least: the header of that name holds seconds or a date (RFC 9110, 10.2.3)."""
    text = answer.headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        seconds = float(text[:12])
    else:
        try:
            date = parsedate_to_datetime(text)
            seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now
        except (ValueError, OverflowError):
            return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_S)


def next_wait_s(tries: int, schedule: Sequence[float], random: Callable[[], float]) -> float | None:
    """Seconds before the next try when so many have been made; None when the schedule is used up.

    `random` gives numbers in [0, 1).
    """
    if tries >= len(schedule):
        return None
    return max(0.0, schedule[tries]) * (1 + JITTER * random()) if math.isfinite(schedule[tries]) else None

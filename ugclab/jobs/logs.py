"""The log of a worker: a line an event, with the job and the stage it belongs to, and without secrets.

Modules log by `logging.getLogger(__name__)` and know nothing of this; an entrypoint calls `configure` once.
"""

import json as json_
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO
from urllib.parse import quote

from pydantic import SecretStr

_JOB: ContextVar[str] = ContextVar("job", default="")
_STAGE: ContextVar[str] = ContextVar("stage", default="")

REDACTED = "[redacted]"
SHORTEST_SECRET = 6
"""Shorter values are no secrets, and would blot out every other word."""

_URL = re.compile(r"(?<=\w)://[^\s\"'<>]+")
_NAMES = (
    r"x-amz-(?:signature|credential|security-token)|signature|password|passwd|secret|client_secret|api_?key|"
    r"(?:access_?|session_?|auth_?|id_?|refresh_?)?token|(?:aws_?)?secret_?access_?key"
)
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?i)\b(authorization\W{0,4}\s*[:=,]\s*b?[\"']?)[^\"'\r\n]+"), rf"\1{REDACTED}"),
    (re.compile(r"(?i)\b(bearer|basic)\s+(?=\S*[0-9=+/])[A-Za-z0-9+/=._~-]{8,}"), rf"\1 {REDACTED}"),
    (
        re.compile(rf"(?i)(?<![a-z])({_NAMES})([\"']?\s*[:=]\s*b?[\"']?)(?!\[redacted)[^\s&\"',;)}}]+"),
        rf"\1\2{REDACTED}",
    ),
    (re.compile(r"whsec_[A-Za-z0-9+/=_-]+"), REDACTED),
    (re.compile(r"ugc_[0-9a-f]{10}_[A-Za-z0-9_-]+"), REDACTED),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), REDACTED),
)
"""What each looks like, and what stands in its place. Every pattern takes linear time."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Redactor:
    """Takes secrets out of a text: those it is told, and what looks like one."""

    def __init__(self, secrets: Iterable[SecretStr | str] = ()) -> None:
        words: set[str] = set()
        for secret in secrets:
            value = secret.get_secret_value() if isinstance(secret, SecretStr) else secret
            words |= {part for part in (value, *value.split()) if len(part) >= SHORTEST_SECRET}
        words |= {quote(word, safe="") for word in words}
        longest_first = sorted(words, key=len, reverse=True)  # a secret may hold another one
        self._known = re.compile("|".join(map(re.escape, longest_first))) if words else None

    def __repr__(self) -> str:
        return "Redactor()"

    def __call__(self, text: str) -> str:
        """The text without them."""
        if self._known:
            text = self._known.sub(REDACTED, text)
        text = _URL.sub(_bare, text)
        for pattern, instead in _PATTERNS:
            text = pattern.sub(instead, text)
        return text


def _bare(found: re.Match[str]) -> str:
    """An address without userinfo, query and fragment."""
    address, mark, _ = re.split(r"([?#])|$", found[0], maxsplit=1)
    authority, slash, path = address[len("://") :].partition("/")
    _, at, host = authority.rpartition("@")
    return f"://{REDACTED if at else ''}{at}{host}{slash}{path}" + (f"{mark}{REDACTED}" if mark else "")


@contextmanager
def about(*, job: str | None = None, stage: str | None = None) -> Iterator[None]:
    """Everything logged inside the block by this thread, or this task, belongs to that job or stage.

    What is left out stays as it is outside. A thread that is started inside begins without them.
    """
    tokens = [(var, var.set(value)) for var, value in ((_JOB, job), (_STAGE, stage)) if value is not None]
    try:
        yield
    finally:
        for var, token in reversed(tokens):
            var.reset(token)


class TextFormatter(logging.Formatter):
    """`2026-11-21T10:00:00.123Z WARNING ugclab.jobs.queue job=01J… stage=swap 2: what happened`."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """One event, on as many lines as its traceback needs."""
        where = "".join(f" {name}={value}" for name, value in (("job", _JOB.get()), ("stage", _STAGE.get())) if value)
        extra = "".join(f" {name}={value}" for name, value in _extra(record).items())
        text = f"{_time(record)} {record.levelname} {record.name}{where}: {record.getMessage()}{extra}"
        return self._redact("\n".join(part for part in (text, *_trouble(self, record)) if part))


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message; job, stage, error and extra fields where there are any."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """One event, on one line."""
        fields: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        named = {"job": _JOB.get(), "stage": _STAGE.get(), "error": "\n".join(filter(None, _trouble(self, record)))}
        fields |= {name: value for name, value in named.items() if value}
        fields |= {name: value for name, value in _extra(record).items() if name not in fields}
        clean = {name: self._clean(value) for name, value in fields.items()}
        return json_.dumps(clean, ensure_ascii=False, default=str)

    def _clean(self, value: Any) -> Any:
        """Redacted before it is written as JSON, whose escapes would hide a secret."""
        if value is None or isinstance(value, bool | int | float):
            return value
        return self._redact(value if isinstance(value, str) else str(value))


def configure(
    *, json: bool, stream: TextIO, secrets: Iterable[SecretStr | str] = (), level: int = logging.INFO
) -> logging.Handler:
    """Send the log to a stream: ours from `level` on, other packages' from WARNING on.

    A second call replaces the first. `secrets` never appear, whatever logs them. Returns the handler.
    """
    redact = Redactor(secrets)
    handler = _Ours(stream)
    handler.setFormatter(JsonFormatter(redact) if json else TextFormatter(redact))
    root = logging.getLogger()
    for old in [h for h in root.handlers if isinstance(h, _Ours)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("ugclab").setLevel(level)
    return handler


class _Ours(logging.StreamHandler[TextIO]):
    """Tells this handler from others'."""


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    """What a caller put in as `extra=`."""
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _trouble(formatter: logging.Formatter, record: logging.LogRecord) -> tuple[str, str]:
    """Traceback and stack, where there are any; not cached in the record, since it is not redacted yet."""
    error = formatter.formatException(record.exc_info) if record.exc_info and record.exc_info[0] else ""
    return error, formatter.formatStack(record.stack_info) if record.stack_info else ""

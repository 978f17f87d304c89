"""Errors as answers: always {code, message, hint}, never a traceback, a path of this machine or a secret."""

import logging
import secrets

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from ugclab.errors import (
    EngineNotFound,
    EngineUnavailable,
    InputError,
    IntakeError,
    JobConflict,
    JobNotFound,
    LimitReached,
    UgclabError,
)
from ugclab.schema.base import Frozen

_LOG = logging.getLogger(__name__)

_STATUS: tuple[tuple[type[UgclabError], int], ...] = (
    (JobNotFound, 404),
    (EngineNotFound, 404),
    (EngineUnavailable, 409),
    (JobConflict, 409),
    (LimitReached, 429),
    (IntakeError, 413),
    (InputError, 422),
)
_CODES = {400: "input", 401: "key", 403: "scope", 404: "not_found", 405: "method", 413: "intake", 422: "input"}
_RETRY_S = "2"


class Fault(Frozen):
    """What every answer says that is no success."""

    code: str
    """For a program: a code of errors.py, or key, scope, not_found, method."""
    message: str
    hint: str = ""
    """What to do."""


class Refusal(Exception):
    """A request that is turned away at the door, before anything of ours is asked."""

    def __init__(self, status: int, code: str, message: str, hint: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.hint, self.headers = status, code, message, hint, headers


def turned_away(request: Request, error: Exception) -> Response:
    """A refusal, as it is."""
    if not isinstance(error, Refusal):
        return broken(request, error)
    return fault(error.status, error.code, error.message, error.hint, error.headers)


def fault(status: int, code: str, message: str, hint: str = "", headers: dict[str, str] | None = None) -> Response:
    """An answer that is no success."""
    return JSONResponse({"message": message, "hint": hint, "code": code}, status, headers=headers)


def status_of(error: UgclabError) -> int:
    """The HTTP status of an error of ours."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 503 if error.passing else 500)


def refused(request: Request, error: Exception) -> Response:
    """An error of ours, in its own words."""
    if not isinstance(error, UgclabError):
        return broken(request, error)
    status = status_of(error)
    if status >= 500:
        _LOG.error("%s at %s: %s", error.code, request.url.path, error.message)
    later = {"Retry-After": _RETRY_S} if status in (429, 503) else None
    return fault(status, error.code, error.message, error.hint, later)


def broken(request: Request, error: Exception) -> Response:
    """A fault of ours: the log has it, under a number that a person can tell."""
    number = secrets.token_hex(4)
    _LOG.error("fault %s at %s", number, request.url.path, exc_info=error)
    hint = f"try again; if it happens again, tell who runs this workbench the number {number}"
    return fault(500, "error", "something went wrong on our side", hint)


def unread(request: Request, error: Exception) -> Response:
    """A body, a path or a parameter that is not what its description says: the first fault of it."""
    if not isinstance(error, RequestValidationError):
        return broken(request, error)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"] if part != "body")
    said = str(first["msg"]).removeprefix("Value error, ")
    text = f"{place}: {said}" if place else said
    # somebody's field names may hold half a character, which no answer can carry
    return fault(422, "input", text.encode("utf-8", "backslashreplace").decode(), "see /openapi.json")


def by_status(request: Request, error: Exception) -> Response:
    """What the framework itself refuses: no such route, another method, a body that is no JSON."""
    if not isinstance(error, HTTPException):
        return broken(request, error)
    code = _CODES.get(error.status_code, "error")
    headers = dict(error.headers) if error.headers else None
    return fault(error.status_code, code, str(error.detail), "see /openapi.json", headers)


def answer_errors(app: FastAPI) -> None:
    """Have an app answer that way."""
    app.add_exception_handler(UgclabError, refused)
    app.add_exception_handler(Refusal, turned_away)
    app.add_exception_handler(RequestValidationError, unread)
    app.add_exception_handler(HTTPException, by_status)
    app.add_exception_handler(Exception, broken)

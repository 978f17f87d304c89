"""Who asks, by the bearer key that was sent; and how often, since one key must not keep others from being heard.

Requests are counted in this process: of several servers each lets a key through as often. Jobs and minutes are counted
in the database, by user.
"""

import threading
import time
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from ugclab.entrypoints.web.answers import Refusal
from ugclab.errors import LimitReached
from ugclab.jobs.keys import Keys, KeyView, Scope
from ugclab.jobs.queue import Queue

BEARER = HTTPBearer(auto_error=False, scheme_name="key", description="a key of `ugclab keys create`")
_SEND = "send Authorization: Bearer ugc_…; who runs this server makes a key with: ugclab keys create NAME"
_FORGET_S = 600.0


class Callers:
    """Reads keys, and counts."""

    def __init__(self, queue: Queue, clock: Callable[[], float] = time.monotonic) -> None:
        self._keys = Keys(queue.database)
        self._usual = queue.settings.requests_per_minute
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}

    def admit(self, text: str, scope: Scope | None) -> KeyView:
        """The key that was sent, if it may do that. Raises Refusal, LimitReached."""
        if not text:
            raise Refusal(401, "key", "a key is needed", _SEND, {"WWW-Authenticate": "Bearer"})
        key = self._keys.check(text)
        if key is None:
            challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            raise Refusal(401, "key", "the key is not valid: unknown, expired or revoked", _SEND, challenge)
        self._count(key)
        if scope is not None and not key.allows(scope):
            hint = (
                f"it may: {', '.join(key.scopes)}; a key that may is made with: ugclab keys create NAME --scope {scope}"
            )
            raise Refusal(403, "scope", f"the key {key.key_id} may not do that: it lacks {scope}", hint)
        return key

    def _count(self, key: KeyView) -> None:
        """A bucket of a minute's requests, that fills as time goes by."""
        most = float(key.requests_per_minute or self._usual)
        now = self._clock()
        with self._lock:
            left, at = self._buckets.get(key.key_id, (most, now))
            left = min(most, left + (now - at) * most / 60)
            self._buckets[key.key_id] = (left - 1 if left >= 1 else left, now)
            if len(self._buckets) > 10_000:
                self._buckets = {k: v for k, v in self._buckets.items() if now - v[1] < _FORGET_S}
        if left < 1:
            raise LimitReached(f"{most:.0f} requests a minute are allowed for this key", hint="ask less often")


def _needs(scope: Scope | None) -> Callable[..., KeyView]:
    def asking(
        request: Request, sent: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)] = None
    ) -> KeyView:
        callers: Callers = request.app.state.door.callers
        key = callers.admit(sent.credentials if sent else "", scope)
        request.state.key_id = key.key_id
        return key

    return asking


AnyKey = Annotated[KeyView, Depends(_needs(None))]
Reading = Annotated[KeyView, Depends(_needs("jobs:read"))]
Writing = Annotated[KeyView, Depends(_needs("jobs:write"))]
Executing = Annotated[KeyView, Depends(_needs("execute"))]
Measuring = Annotated[KeyView, Depends(_needs("metrics"))]

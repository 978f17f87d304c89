"""Questions to another machine: JSON both ways, the key with each, a redirect never followed."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

from pydantic import SecretStr

from ugclab.engines.remote.faults import refusal
from ugclab.errors import EngineUnavailable, IntakeError
from ugclab.net.client import GuardedClient
from ugclab.net.urls import Target, read_url

ANSWER_S = 20.0
"""What an answer may take: a server that is only asked where an order stands."""
_KNOWN = frozenset({200, 201, 202})


@dataclass(frozen=True, slots=True)
class Line:
    """One machine, as it is asked."""

    base: str
    """Its address, without a slash at the end."""
    key: SecretStr = field(repr=False)
    client: GuardedClient = field(repr=False)

    @property
    def target(self) -> Target:
        """Its address, read. Raises IntakeError."""
        return read_url(self.base, self.client.allowed)

    @property
    def host(self) -> str:
        """What it is called in messages."""
        return self.target.authority

    def ask(
        self,
        method: str,
        path: str,
        document: Any = None,
        *,
        missing: bool = False,
        timeout_s: float = ANSWER_S,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Any:
        """Send a document, return the one that is answered; with `missing`, None where it says 404.

        Raises NetworkError, EngineUnavailable, and what the other machine says is wrong.
        """
        body = b"" if document is None else json.dumps(document).encode()
        headers = self.secrets | {"Accept": "application/json"}
        if document is not None:
            headers["Content-Type"] = "application/json"
        try:
            reply = self.client.ask(
                method, f"{self.base}{path}", headers, body, timeout_s=timeout_s, cancelled=cancelled
            )
        except IntakeError as error:
            raise EngineUnavailable(f"UGCLAB_REMOTE_URL: {error.message}", hint=error.hint) from error
        if missing and reply.status == 404:
            return None
        if reply.status not in _KNOWN:
            raise refusal(reply.status, reply.body, self.host)
        try:
            return json.loads(reply.body)
        except ValueError as error:
            raise EngineUnavailable(
                f"{self.host} does not answer as it should", hint="check UGCLAB_REMOTE_URL and UGCLAB_REMOTE_KIND"
            ) from error

    @property
    def secrets(self) -> dict[str, str]:
        """The headers that say who we are: for this machine alone."""
        key = self.key.get_secret_value()
        return {"Authorization": f"Bearer {key}"} if key else {}

    def secrets_for(self, url: str) -> dict[str, str]:
        """The same, where an address is one of this machine's; nothing elsewhere. Raises IntakeError."""
        return self.secrets if read_url(url, self.client.allowed).origin == self.target.origin else {}

    def absolute(self, url: str) -> str:
        """An address as it was given, or below this machine's."""
        return urljoin(f"{self.base}/", url)

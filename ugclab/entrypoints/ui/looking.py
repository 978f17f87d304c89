"""Looks of the page: what a browser asks to see before a job runs, and the answers in its words."""

from collections.abc import Mapping
from typing import Any

from ugclab.entrypoints.ui.desk import Desk
from ugclab.schema.job import Principal


class Looking:
    """Asks the interactive lane for a browser."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def ask(self, principal: Principal, document: Mapping[str, Any]) -> dict[str, Any]:
        """Put a look in line. Raises InputError."""
        raise NotImplementedError

    def answer(self, principal: Principal, look_id: str) -> dict[str, Any] | None:
        """What came of it; None while it is not done."""
        raise NotImplementedError

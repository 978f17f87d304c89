"""One at a time on a table: a lock that dies with its holder, since Airtable knows no condition on a write.

Beside the SQLite queue it is a lock on a file, which the kernel lets go when the process ends; on Postgres an advisory
lock of a session, which the server lets go when the connection does.
"""

import fcntl
import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from ugclab.errors import JobConflict
from ugclab.jobs.database import Database

_LONGEST_S = 600.0
"""A pass waits 30 s for every refusal of Airtable's; one that takes longer than this is stuck."""
_AGAIN_S = 0.2


@contextmanager
def alone(database: Database, folder: Path, name: str, *, longest_s: float = _LONGEST_S) -> Iterator[None]:
    """Hold the lock of that name while the block runs; waits for its holder. Raises JobConflict, QueueUnavailable."""
    digest = hashlib.sha256(name.encode()).digest()
    with (
        _on_file(folder / f"airtable-{digest.hex()[:16]}.lock", longest_s)
        if database.is_sqlite
        else _on_server(database, int.from_bytes(digest[:8], "big", signed=True), longest_s)
    ):
        yield


@contextmanager
def _on_file(path: Path, longest_s: float) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        until = time.monotonic() + longest_s
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                _wait(until)
        yield  # closing the file lets it go


@contextmanager
def _on_server(database: Database, number: int, longest_s: float) -> Iterator[None]:
    with database.reading() as connection:
        held = connection.execution_options(isolation_level="AUTOCOMMIT")
        until = time.monotonic() + longest_s
        while not held.execute(sa.text("SELECT pg_try_advisory_lock(:id)"), {"id": number}).scalar_one():
            _wait(until)
        try:
            yield
        finally:
            held.execute(sa.text("SELECT pg_advisory_unlock(:id)"), {"id": number})


def _wait(until: float) -> None:
    if time.monotonic() > until:
        raise JobConflict(
            "another `ugclab airtable` has been at work on this table for too long", hint="see what it waits for"
        )
    time.sleep(_AGAIN_S)

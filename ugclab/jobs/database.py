"""The database of the queue: SQLite in WAL on a local disk, or Postgres; ours and the engine's tables in one.

One SQLAlchemy engine serves both, so that a job's row and its workflow appear in one transaction.
"""

import logging
import platform
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event, exc

from ugclab.errors import DiskFull, OutputError, QueueError, QueueUnavailable
from ugclab.jobs.schema import MIGRATIONS

T = TypeVar("T")

_LOG = logging.getLogger(__name__)
_BUSY_MS = 30_000
_AGAIN_S = 1.0
_LOCK_ID = 0x7567636C  # "ugcl": the advisory lock under which one process migrates on Postgres


class Database:
    """Connections to the queue's database. Safe to share between threads, not between processes."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._lock = threading.Lock()
        self._ready = False
        if self.is_sqlite:
            self._folder = Path(url.removeprefix("sqlite:///")).parent
            self.engine = sa.create_engine(url, pool_size=10, max_overflow=20)
            event.listen(self.engine, "connect", _set_up_sqlite)
        else:
            self.engine = sa.create_engine(
                url, pool_size=10, max_overflow=10, pool_pre_ping=True, connect_args={"connect_timeout": 10}
            )

    @property
    def is_sqlite(self) -> bool:
        """Whether it is the embedded one."""
        return self.url.startswith("sqlite")

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """Do the block's statements all or not at all, one writer at a time on SQLite. Raises QueueUnavailable."""
        self.prepare()
        with _ours(), self.engine.begin() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection for looking only. Raises QueueUnavailable."""
        self.prepare()
        with _ours(), self.engine.connect() as connection:
            yield connection

    def now(self) -> sa.ColumnElement[float]:
        """Seconds since 1970 by the database's clock, as an expression: machines may disagree about the time."""
        if self.is_sqlite:
            return sa.literal_column("((julianday('now') - 2440587.5) * 86400.0)", sa.Float())
        return sa.literal_column("extract(epoch from clock_timestamp())::double precision", sa.Float())

    def prepare(self, migrations: tuple[Callable[[sa.Connection], None], ...] = MIGRATIONS) -> None:
        """Make or upgrade all tables, once a process. Raises QueueUnavailable, QueueError for a newer database."""
        with self._lock:
            if self._ready:
                return
            if self.is_sqlite:
                check_sqlite()
                try:
                    self._folder.mkdir(parents=True, exist_ok=True)
                except OSError as error:
                    raise OutputError(
                        f"the queue cannot be kept in {self._folder}: {error.strerror}",
                        hint="set UGCLAB_DATA_DIR to another folder",
                    ) from error
            with _ours():
                if not self._up_to_date(len(migrations)):
                    self._migrate(migrations)
            self._ready = True

    def _up_to_date(self, count: int) -> bool:
        with self.engine.connect() as connection:
            if not sa.inspect(connection).has_table("ugclab_migrations"):
                return False
            row = connection.execute(sa.text("SELECT version, engine FROM ugclab_migrations")).one()
        if row.version > count:
            raise QueueError(
                f"the queue's database is of a newer ugclab (schema {row.version}, this one knows {count})",
                hint="upgrade ugclab here too, or use another UGCLAB_DATA_DIR or UGCLAB_DATABASE_URL",
            )
        return bool(row.version == count and row.engine == _engine_version())

    def _migrate(self, migrations: tuple[Callable[[sa.Connection], None], ...]) -> None:
        from dbos import DBOS

        logging.getLogger("dbos").setLevel(logging.WARNING)  # a line for each of its hundred migrations otherwise
        with self._alone():
            if self._up_to_date(len(migrations)):  # somebody was faster
                return
            DBOS.migrate(self.url)
            with self.engine.begin() as connection:
                if self.is_sqlite:
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                if not sa.inspect(connection).has_table("ugclab_migrations"):
                    connection.execute(sa.text("CREATE TABLE ugclab_migrations (version INTEGER, engine VARCHAR(40))"))
                    connection.execute(sa.text("INSERT INTO ugclab_migrations VALUES (0, '')"))
                done = connection.execute(sa.text("SELECT version FROM ugclab_migrations")).scalar_one()
                for migrate in migrations[done:]:
                    migrate(connection)
                connection.execute(
                    sa.text("UPDATE ugclab_migrations SET version = :v, engine = :e"),
                    {"v": max(done, len(migrations)), "e": _engine_version()},
                )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes waiting until the tables are there; on SQLite each migration is a writer of its own.

        DBOS builds indexes concurrently, which waits for whatever else is going on: so the lock is the session's and no
        transaction's, and nobody waits for it inside a statement.
        """
        if self.is_sqlite:
            yield
            return
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while not connection.execute(sa.text("SELECT pg_try_advisory_lock(:id)"), {"id": _LOCK_ID}).scalar_one():
                time.sleep(0.1)
            try:
                yield
            finally:
                connection.execute(sa.text("SELECT pg_advisory_unlock(:id)"), {"id": _LOCK_ID})


def persistently(do: Callable[[], T]) -> T:
    """Do something with the database, again until it answers: for what must not be lost when it goes away."""
    while True:
        try:
            return do()
        except QueueUnavailable as error:
            _LOG.warning("%s; trying again", error.message)
            time.sleep(_AGAIN_S)


def _set_up_sqlite(connection: sqlite3.Connection, record: Any) -> None:
    connection.isolation_level = "IMMEDIATE"  # writers wait for each other at their beginning, never in the middle
    connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")  # what was acknowledged survives a power failure too
    connection.execute("PRAGMA foreign_keys=ON")


def check_sqlite() -> None:
    """Python 3.12 and later may deadlock in older SQLite libraries (DBOS's own finding). Raises QueueError."""
    if sys.version_info >= (3, 12) and sqlite3.sqlite_version_info < (3, 42):
        raise QueueError(
            f"Python {platform.python_version()} needs SQLite 3.42 or later, here is {sqlite3.sqlite_version}",
            hint="use Python 3.11, a newer system, or Postgres: UGCLAB_DATABASE_URL",
        )


def _engine_version() -> str:
    from importlib.metadata import version

    return f"dbos {version('dbos')}"


@contextmanager
def _ours() -> Iterator[None]:
    """Turn the database's errors into ours; never with its address, which may hold a password."""
    try:
        yield
    except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError) as error:
        text = str(getattr(error, "orig", None) or error)
        if "disk is full" in text or "No space left" in text:
            raise DiskFull("no space is left for the queue's database", hint="free some space") from error
        if "readonly database" in text or "unable to open database" in text:
            raise OutputError(
                "the queue's database cannot be written", hint="check the permissions of UGCLAB_DATA_DIR"
            ) from error
        raise QueueUnavailable(
            f"the queue's database does not answer ({text.splitlines()[0][:200]})",
            hint="start it, or check UGCLAB_DATABASE_URL; nothing that was submitted is lost",
        ) from error
    except exc.DatabaseError as error:
        if "malformed" in str(error.orig) or "not a database" in str(error.orig):
            raise QueueError(
                "the queue's database is damaged", hint="move queue.sqlite away, or restore it from a backup"
            ) from error
        raise

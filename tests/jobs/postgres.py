"""A Postgres server for tests: started here, on loopback, as an unprivileged user; a fresh database for each test."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/local/bin", "/usr/bin")


def program(name: str) -> str | None:
    """Where one of the server's programs is: Debian keeps them off the path."""
    found = [str(p) for place in _PLACES for p in sorted(Path("/").glob(f"{place[1:]}/{name}"), reverse=True)]
    return shutil.which(name) or (found[0] if found else None)


@dataclass
class Postgres:
    """A running server."""

    port: int
    folder: Path
    user: str | None
    _numbers: Iterator[int] = field(default_factory=count)

    @classmethod
    @contextmanager
    def started(cls) -> "Iterator[Postgres]":
        """Make a cluster and start its server; stop it at the end. Not in pytest's folders: those are one user's."""
        if not program("initdb") or not program("pg_ctl"):
            missing = "no Postgres here: apt-get install postgresql"
            pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
        user = "postgres" if os.getuid() == 0 else None
        folder = Path(tempfile.mkdtemp(prefix="ugclab-postgres-"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server = cls(port, folder / "cluster", user)
        if user:
            shutil.chown(folder, user)
        try:
            server.run("initdb", "-D", str(server.folder), "-U", "test", "--auth=trust", "--no-sync", "-E", "UTF8")
            server.start()
            yield server
            server.stop()  # before its folder goes
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        self.run("pg_ctl", "-D", str(self.folder), "-o", options, "-l", str(self.folder / "log"), "-w", "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop it, as a crash would by default."""
        self.run("pg_ctl", "-D", str(self.folder), "-m", mode, "-w", "stop")

    def fresh(self) -> str:
        """The address of a new, empty database."""
        import psycopg

        name = f"ugclab_{next(self._numbers)}"
        with psycopg.connect(f"postgresql://test@127.0.0.1:{self.port}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return f"postgresql://test@127.0.0.1:{self.port}/{name}"

    def run(self, name: str, *words: str) -> None:
        """Call one of the server's programs as the user it runs as."""
        done = subprocess.run(
            [program(name) or name, *words], user=self.user, cwd="/", capture_output=True, text=True, check=False
        )
        if done.returncode:
            log = self.folder / "log"
            raise RuntimeError(f"{name}: {done.stdout}{done.stderr}{log.read_text() if log.exists() else ''}")

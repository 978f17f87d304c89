"""Signs of life of workers, by the database's clock; and what the living do for the dead."""

import fcntl
import os
import platform
import secrets
from pathlib import Path
from typing import IO

import sqlalchemy as sa

from ugclab.errors import OutputError
from ugclab.jobs.database import Database
from ugclab.jobs.schema import workers
from ugclab.media.output import writing
from ugclab.schema.base import Frozen

_MOST_SLOTS = 1000


class WorkerView(Frozen):
    """A worker as others see it."""

    executor_id: str
    version: str
    pid: int
    slots: int
    device: str
    state: str
    silent_s: float
    loaded: tuple[str, ...] = ()


class Identity:
    """An executor id that no other living process has, and that a restarted worker gets back.

    The number is held by a file lock, which the kernel drops with the process. A second process of the same id would
    steal running jobs.
    """

    def __init__(self, folder: Path) -> None:
        self._file: IO[str] | None = None
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            machine = folder / "machine"
            if not machine.exists():
                fresh = folder / f".machine.{secrets.token_hex(4)}"
                fresh.write_text(secrets.token_hex(4))
                try:
                    os.link(fresh, machine)  # of two that start at once, one names the machine
                except FileExistsError:
                    pass
                finally:
                    fresh.unlink()
            name = machine.read_text().strip()
        for number in range(_MOST_SLOTS):
            file = (folder / f"worker-{number}.lock").open("w")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                continue
            self._file = file
            self.executor_id = f"{platform.node()[:60]}-{name}-{number}"
            return
        raise OutputError(f"{_MOST_SLOTS} workers run in {folder}", hint="stop some")

    def release(self) -> None:
        """Let another process have the id."""
        if self._file is not None:
            self._file.close()


class Heartbeats:
    """The table of workers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, executor_id: str, version: str, slots: int, device: str) -> None:
        """Enter this worker."""
        now = self._database.now()
        with self._database.transaction() as connection:
            connection.execute(workers.delete().where(workers.c.executor_id == executor_id))
            connection.execute(
                workers.insert().values(
                    executor_id=executor_id,
                    version=version,
                    pid=os.getpid(),
                    slots=slots,
                    device=device,
                    state="alive",
                    started_at=now,
                    beat_at=now,
                )
            )

    def beat(self, executor_id: str, state: str = "alive", loaded: tuple[str, ...] = ()) -> None:
        """Say that this worker lives, and which engines are set up in it."""
        with self._database.transaction() as connection:
            connection.execute(
                workers.update()
                .where(workers.c.executor_id == executor_id)
                .values(state=state, beat_at=self._database.now(), loaded=",".join(loaded))
            )

    def dead(self, takeover_s: float) -> list[str]:
        """Mark those silent for too long, and name all whose jobs are free: the dead and the stopped."""
        with self._database.transaction() as connection:
            connection.execute(
                workers.update()
                .where(
                    workers.c.state.in_(("alive", "draining")), workers.c.beat_at < self._database.now() - takeover_s
                )
                .values(state="dead")
            )
            found = connection.execute(sa.select(workers.c.executor_id).where(workers.c.state.in_(("dead", "stopped"))))
            return list(found.scalars())

    def forget(self, silent_s: float) -> None:
        """Delete workers long gone."""
        with self._database.transaction() as connection:
            connection.execute(
                workers.delete().where(
                    workers.c.state.in_(("dead", "stopped")), workers.c.beat_at < self._database.now() - silent_s
                )
            )

    def living(self, takeover_s: float) -> tuple[WorkerView, ...]:
        """Workers that take jobs."""
        return tuple(w for w in self.list() if w.state == "alive" and w.silent_s < takeover_s)

    def list(self) -> tuple[WorkerView, ...]:
        """All workers that are known, the longest running first."""
        silent = (self._database.now() - workers.c.beat_at).label("silent_s")
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(workers, silent).order_by(workers.c.started_at))
            return tuple(
                WorkerView(
                    executor_id=r.executor_id,
                    version=r.version,
                    pid=r.pid,
                    slots=r.slots,
                    device=r.device,
                    state=r.state,
                    silent_s=max(0.0, r.silent_s),
                    loaded=tuple(filter(None, r.loaded.split(","))),
                )
                for r in rows
            )

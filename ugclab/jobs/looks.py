"""The interactive lane, at the page's end: ask for a look, and learn what came of it, while long jobs run.

A look is no job: it has no row, no retries and no news. What was seen is remembered, and is there at once when it is
asked for again.
"""

import hashlib
import time
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter

from ugclab.errors import Cancelled, JobNotFound, QueueUnavailable, error_of
from ugclab.jobs.database import Database
from ugclab.jobs.flow import LOOK, PROOF, STUDY, Flow
from ugclab.jobs.schema import seen, workers
from ugclab.schema.ids import new_ulid
from ugclab.schema.job import Principal
from ugclab.schema.look import Look, ProofLook, Seen, StripLook
from ugclab.storage import paths
from ugclab.storage.artefacts import canonical_key

QUEUES = {"frame": LOOK, "strip": STUDY, "faces": STUDY, "proof": PROOF}
"""Where a kind of look waits."""
LOOKS_VERSION = 1
"""Raised when looks are answered otherwise: what was seen before is then not shown again."""
_SEEN: TypeAdapter[Seen] = TypeAdapter(Seen)
_PATIENCE_S = 5.0
"""After that a page wants to know whether there is anybody who would answer."""


def folder_of(look: Look, engine_version: str) -> str:
    """Where the look's pictures lie in the store: by the hash of everything that decides them."""
    parts = look.model_dump(mode="json", exclude={"user", "project", "page", *look.files})
    parts |= {name: asset.sha256 for name, asset in look.files.items()}
    parts |= {"looks_version": LOOKS_VERSION, "engine_version": engine_version}
    job_id = look.job_id if isinstance(look, ProofLook) else ""
    return paths.look(look.user, look.project, canonical_key(parts), job_id)


class Looks:
    """How a page asks, and learns what came of it."""

    def __init__(self, flow: Flow, takeover_s: float) -> None:
        self._flow = flow
        self._takeover_s = takeover_s

    def ask(self, look: Look, engine_version: str = "") -> str:
        """Put a look in line, in the place of older ones of the same page and kind; returns its id.

        Raises QueueUnavailable.
        """
        folder = folder_of(look, engine_version)
        queue = QUEUES[look.kind]
        page = f"look/{look.user}/{look.project}/{look.kind}/{hashlib.sha256(look.page.encode()).hexdigest()[:16]}/"
        if look.page:
            self._flow.give_up(page)
        if Sights(self._flow.database).find(folder) is not None:
            return f"seen/{folder}"
        look_id = f"{page}{new_ulid()}"
        with self._flow.database.transaction() as connection:
            urgency = 1 if isinstance(look, StripLook) else 2
            self._flow.enqueue(connection, queue, look_id, look.model_dump_json(), folder, priority=urgency)
        return look_id

    def answer(self, look_id: str, principal: Principal) -> Seen | None:
        """What came of a look; None while it is not done.

        Raises what went wrong; Cancelled where another look took its place, JobNotFound where nobody asked,
        QueueUnavailable where no worker runs that would answer.
        """
        own = principal.trust == "local" or look_id.startswith(
            (f"look/{principal.user}/", f"seen/{paths.user_prefix(principal.user)}")
        )
        if own and look_id.startswith("seen/"):
            found = Sights(self._flow.database).find(look_id.removeprefix("seen/"))
            if found is not None:
                return found
        outcome = self._flow.outcome(look_id) if own and look_id.startswith("look/") else None
        if outcome is None:
            raise JobNotFound("nobody asked for this look", hint="ask again")
        status, output, asked_s = outcome
        if status in ("ENQUEUED", "PENDING", "DELAYED"):
            if time.time() - asked_s > _PATIENCE_S:
                self._check_workers()
            return None
        if status == "CANCELLED":
            raise Cancelled("another look took the place of this one")
        return _read(output)

    def cancel(self, look_id: str, principal: Principal) -> None:
        """Nobody waits for this look any more; one that is done, or is not there, is no error."""
        mine = "look/" if principal.trust == "local" else f"look/{principal.user}/"
        if look_id.startswith(mine) and look_id != mine:
            self._flow.give_up(look_id)

    def _check_workers(self) -> None:
        now = self._flow.database.now()
        query = sa.select(sa.func.count()).where(
            workers.c.state == "alive", workers.c.beat_at > now - max(self._takeover_s, _PATIENCE_S)
        )
        with self._flow.database.reading() as connection:
            if not connection.execute(query).scalar_one():
                raise QueueUnavailable("no worker runs that could answer", hint="start one: ugclab worker")


def _read(output: Any) -> Seen:
    if not isinstance(output, Mapping):
        raise error_of("engine_crashed", "the look was given up: its worker died", "try again")
    if failed := output.get("failed"):
        raise error_of(**failed)
    return _SEEN.validate_python(output["ok"])


class Sights:
    """What was seen, remembered by the folder of its pictures."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, folder: str) -> Seen | None:
        """An answer that was given before."""
        with self._database.reading() as connection:
            text = connection.execute(sa.select(seen.c.answer).where(seen.c.folder == folder)).scalar_one_or_none()
        return None if text is None else _SEEN.validate_json(text)

    def keep(self, look: Look, folder: str, answer: Seen) -> None:
        """Remember an answer."""
        values = {
            "folder": folder,
            "user": look.user,
            "project": look.project,
            "assets": "\n".join(asset.key for asset in look.files.values()),
            "answer": answer.model_dump_json(),
            "at": self._database.now(),
        }
        with self._database.transaction() as connection:
            connection.execute(seen.delete().where(seen.c.folder == folder))
            connection.execute(seen.insert().values(**values))

    def forget(
        self, connection: sa.Connection, user: str, project: str, *, assets: set[str], job_id: str = ""
    ) -> list[str]:
        """Forget what shows any of the assets, or is the job's; returns the folders, to be deleted."""
        rows = connection.execute(sa.select(seen).where(seen.c.user == user, seen.c.project == project)).all()
        of_job = f"{paths.looks_of_job(user, project, job_id)}/" if job_id else ""
        gone = [
            r.folder for r in rows if set(r.assets.split("\n")) & assets or (of_job and r.folder.startswith(of_job))
        ]
        self.drop(connection, gone)
        return gone

    def forget_before(self, connection: sa.Connection, at: sa.ColumnElement[float]) -> list[str]:
        """Forget what was seen before a time; returns the folders, to be deleted."""
        gone = list(connection.execute(sa.select(seen.c.folder).where(seen.c.at < at)).scalars())
        self.drop(connection, gone)
        return gone

    @staticmethod
    def drop(connection: sa.Connection, folders: list[str]) -> None:
        """Forget what lies in these folders."""
        for folder in folders:
            connection.execute(seen.delete().where(seen.c.folder == folder))

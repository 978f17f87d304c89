"""The interactive lane, at the worker's end: looks are answered by child processes of their own, beside its jobs."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from ugclab.errors import Cancelled, JobNotFound, QueueUnavailable, UgclabError
from ugclab.jobs import records
from ugclab.jobs.flow import Flow
from ugclab.jobs.lane import Lane
from ugclab.jobs.looks import Sights
from ugclab.jobs.tasks import Failed, LookTask
from ugclab.schema.look import Look, ProofLook, Seen
from ugclab.schema.media import Asset
from ugclab.settings import Settings
from ugclab.storage import paths
from ugclab.storage.artefacts import Artefacts
from ugclab.storage.assets import local_copy
from ugclab.storage.local import LocalStore
from ugclab.storage.store import Store

_LOG = logging.getLogger(__name__)
_LIMIT_S, _HANG_S = 600.0, 60.0
_LOOK: TypeAdapter[Look] = TypeAdapter(Look)
_SEEN: TypeAdapter[Seen] = TypeAdapter(Seen)


class Looker:
    """What a worker does with the looks of one queue."""

    def __init__(self, settings: Settings, store: Store, flow: Flow, lane: Lane) -> None:
        self._settings = settings
        self._store = store
        self._flow = flow
        self._lane = lane
        self._sights = Sights(flow.database)
        self._checked: dict[str, tuple[int, int]] = {}

    def do(self, look_id: str, document: str, folder: str) -> dict[str, Any]:
        """Answer a look, as JSON: what is seen, or an error."""
        try:
            look = _LOOK.validate_json(document)
            there = self._sights.find(folder)
            seen = there or self._seen(look, folder, lambda: self._wanted(look_id))
            return {"ok": seen.model_dump(mode="json")}
        except Exception as error:
            if not isinstance(error, UgclabError):
                _LOG.exception("a fault of ours")
            failed = Failed.of(0, error)
            return {"failed": {"code": failed.code, "message": failed.message, "hint": failed.hint}}

    def _seen(self, look: Look, folder: str, wanted: Callable[[], bool]) -> Seen:
        scope = paths.project_prefix(look.user, look.project).rstrip("/")
        settings = self._settings
        with Artefacts(LocalStore(settings.artefacts_dir), settings.artefact_cap_mb, scope) as artefacts:
            out = artefacts.workspace()
            task = LookTask(
                number=self._lane.number(),
                scope=scope,
                look=look,
                files={name: self._local(asset, artefacts) for name, asset in look.files.items()},
                out=out,
                folder=folder,
            )
            with self._lane.child(wanted) as child:
                limit_s = self._settings.stage_timeout_s if isinstance(look, ProofLook) else _LIMIT_S
                done = child.run(task, lambda said: None, wanted, limit_s=limit_s, hang_s=_HANG_S)
            for path in sorted(out.iterdir()):
                self._store.put_file(f"{folder}/{path.name}", path)
        seen = _SEEN.validate_python(done.value)
        self._sights.keep(look, folder, seen)
        self._check_still_there(look, folder)
        return seen

    def _wanted(self, look_id: str) -> bool:
        """Whether somebody waits for it still; while the database is away nobody can say otherwise."""
        try:
            return self._flow.status(look_id) == "PENDING"
        except QueueUnavailable:
            return True

    def _check_still_there(self, look: Look, folder: str) -> None:
        """Leave nothing of what was deleted meanwhile."""
        gone = not all(self._store.exists(asset.key) for asset in look.files.values())
        if isinstance(look, ProofLook) and not gone:
            with self._flow.database.reading() as connection:
                gone = records.find(connection, look.job_id) is None
        if gone:
            with self._flow.database.transaction() as connection:
                self._sights.drop(connection, [folder])
            self._store.delete_prefix(folder)
            raise (JobNotFound if isinstance(look, ProofLook) else Cancelled)("it was deleted meanwhile")

    def _local(self, asset: Asset, artefacts: Artefacts) -> Path:
        """The asset on this disk; a local store's own file is hashed again only if it has changed."""
        if isinstance(self._store, LocalStore):
            path = self._store.path(asset.key)
            if path.is_file() and self._checked.get(asset.key) == _stamp(path):
                return path
            checked = local_copy(self._store, asset, artefacts)
            self._checked[asset.key] = _stamp(path)
            return checked
        return local_copy(self._store, asset, artefacts)


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size

"""The interactive lane: one frame before and after, answered within seconds while long jobs run.

A look is no job: it has no row, no retries and no news. Its answer is a picture in the project's thumbnails; what was
looked at before is there already.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ugclab.errors import JobNotFound, UgclabError
from ugclab.jobs.flow import LOOK, Flow
from ugclab.jobs.lane import Lane
from ugclab.jobs.tasks import Failed, Task, error_of
from ugclab.pipeline.plan import SwapRequest
from ugclab.schema.base import Frozen, Rational
from ugclab.schema.ids import new_ulid
from ugclab.schema.job import Principal, SwapOptions
from ugclab.schema.media import Asset
from ugclab.settings import Settings
from ugclab.storage import paths
from ugclab.storage.artefacts import Artefacts, canonical_key
from ugclab.storage.assets import local_copy
from ugclab.storage.local import LocalStore
from ugclab.storage.store import Store

_LOG = logging.getLogger(__name__)
_LIMIT_S, _HANG_S = 120.0, 60.0


class Look(Frozen):
    """Which frame of what, with which face."""

    user: str
    project: str
    source: Asset
    avatar: Asset
    photo: Asset | None = None
    at: Rational
    engine: str = "mesh"
    options: SwapOptions = SwapOptions()

    @property
    def key(self) -> str:
        """Where the picture lies in the store."""
        assets = [a.sha256 for a in (self.source, self.avatar, self.photo) if a]
        options = self.options.model_dump(mode="json")
        name = canonical_key({"assets": assets, "at": str(self.at), "engine": self.engine, "options": options})
        return f"{paths.folder(self.user, self.project, 'thumbnails')}/preview-{name}.png"


class Looked(Frozen):
    """An answer."""

    key: str
    swapped: bool
    """False where the frame shows no face that would be replaced."""


class Looks:
    """How a page asks, and learns what came of it."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow

    def ask(self, look: Look) -> str:
        """Put a look in line and return its id. Raises QueueUnavailable."""
        look_id = f"look.{look.user}.{new_ulid()}"
        with self._flow.database.transaction() as connection:
            self._flow.enqueue(connection, LOOK, look_id, look.model_dump_json())
        return look_id

    def answer(self, look_id: str, principal: Principal) -> Looked | None:
        """What came of a look; None while it is not done. Raises what went wrong, and JobNotFound."""
        prefix = "look." if principal.trust == "local" else f"look.{principal.user}."
        found = self._flow.outcome(look_id) if look_id.startswith(prefix) else None
        if found is None:
            raise JobNotFound("nobody asked for this preview", hint="ask again")
        status, output = found
        if status in ("ENQUEUED", "PENDING", "DELAYED"):
            return None
        if not isinstance(output, Mapping):
            raise error_of("engine_crashed", "the preview was given up", "try again")
        if failed := output.get("failed"):
            raise error_of(**failed)
        return Looked.model_validate(output["ok"])


class Looker:
    """What a worker does with looks: in a child process of their own, so that they never wait behind a job."""

    def __init__(self, settings: Settings, store: Store, lane: Lane) -> None:
        self._settings = settings
        self._store = store
        self._lane = lane

    def do(self, document: str) -> dict[str, Any]:
        """Answer a look, as JSON: a picture's place, or an error."""
        try:
            return {"ok": self._seen(Look.model_validate_json(document)).model_dump(mode="json")}
        except Exception as error:
            if not isinstance(error, UgclabError):
                _LOG.exception("a fault of ours")
            failed = Failed.of(0, error)
            return {"failed": {"code": failed.code, "message": failed.message, "hint": failed.hint}}

    def _seen(self, look: Look) -> Looked:
        scope = paths.project_prefix(look.user, look.project).rstrip("/")
        settings = self._settings
        with Artefacts(LocalStore(settings.artefacts_dir), settings.artefact_cap_mb, scope) as artefacts:
            options = look.options
            if look.photo is not None:
                photo = str(self._local(look.photo, artefacts))
                options = options.model_copy(update={"face": options.face.model_copy(update={"photo": photo})})
            out = artefacts.workspace() / "preview.png"
            request = SwapRequest(
                source=self._local(look.source, artefacts),
                avatar=self._local(look.avatar, artefacts),
                out=out,
                engine=look.engine,
                options=options,
            )
            at = f"{look.at.numerator}/{look.at.denominator}"
            task = Task(number=self._lane.number(), job="", step="preview", at=at, scope=scope, request=request)
            with self._lane.child(lambda: True) as child:
                done = child.run(task, lambda said: None, lambda: True, limit_s=_LIMIT_S, hang_s=_HANG_S)
            self._store.put_file(look.key, out)
        return Looked(key=look.key, swapped=bool(done.value["swapped"]))

    def _local(self, asset: Asset, artefacts: Artefacts) -> Path:
        return local_copy(self._store, asset, artefacts)

"""Files that callers bring: leave is given first, for a size; what arrives is checked, and is an input from then on.

Where the store gives out addresses, the bytes go straight there, to a place of their own within the project; elsewhere
they come through the server. Leave that is not used within a day is forgotten, with whatever has arrived.
"""

import tempfile
from pathlib import Path

from ugclab.errors import InputError, IntakeError, JobNotFound
from ugclab.jobs.queue import Queue
from ugclab.jobs.schema import uploads
from ugclab.net.urls import clean_name
from ugclab.schema.base import Frozen
from ugclab.schema.contract import Role
from ugclab.schema.ids import new_ulid
from ugclab.schema.job import Principal
from ugclab.schema.media import Asset
from ugclab.storage import paths
from ugclab.storage.store import Upload

LEAVE_S = 3600
"""How long a presigned address takes bytes."""
_ARRIVING = "application/octet-stream"


class Leave(Frozen):
    """Leave to bring one file."""

    upload_id: str
    user: str
    project: str
    role: Role
    name: str
    size_bytes: int
    key: str = ""
    direct: Upload | None = None
    """Straight to the store; None where bytes come through the server."""


class Uploads:
    """The table of uploads."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def limit_mb(self, role: Role) -> int:
        """The largest file of a kind."""
        settings = self._queue.settings
        return settings.max_source_mb if role == "source" else settings.max_avatar_mb

    def begin(self, principal: Principal, project: str, role: Role, name: str, size_bytes: int) -> Leave:
        """Give leave. Raises LimitReached, IntakeError for a file that is too large."""
        queue = self._queue
        queue.inputs.check(principal.user)
        if size_bytes > self.limit_mb(role) << 20:
            raise IntakeError(f"the file is larger than {self.limit_mb(role)} MB", hint="cut or compress it first")
        upload_id = new_ulid()
        key = f"{paths.folder(principal.user, project, 'source')}/arriving/{upload_id}"
        direct = queue.store.upload_url(key, LEAVE_S, media_type=_ARRIVING, size_bytes=size_bytes)
        leave = Leave(
            upload_id=upload_id,
            user=principal.user,
            project=project,
            role=role,
            name=clean_name(name) or role,
            size_bytes=size_bytes,
            key=key if direct else "",
            direct=direct,
        )
        values = leave.model_dump(exclude={"direct"})
        with queue.database.transaction() as connection:
            connection.execute(uploads.insert().values(**values, at=queue.database.now()))
        return leave

    def find(self, principal: Principal, upload_id: str) -> Leave:
        """Leave that was given to somebody. Raises JobNotFound."""
        with self._queue.database.reading() as connection:
            row = connection.execute(uploads.select().where(uploads.c.upload_id == upload_id)).one_or_none()
        if row is None or row.user != principal.user:
            raise JobNotFound(f"there is no upload {upload_id[:40]}", hint="begin one: POST /v1/uploads")
        return Leave(**{name: getattr(row, name) for name in Leave.model_fields if name != "direct"})

    def take(self, principal: Principal, leave: Leave, path: Path) -> Asset:
        """Check a file that has arrived, and keep it. Raises InputError and its kin."""
        queue = self._queue
        queue.inputs.check(principal.user)
        try:
            asset = queue.take_in(principal, leave.project, path, leave.role)
        except InputError as error:  # which names the file by its place on this machine
            raise type(error)(error.message.replace(str(path), path.name), hint=error.hint) from error
        queue.inputs.keep(principal.user, leave.project, asset)
        self._forget(leave.upload_id, leave.key)
        return asset

    def complete(self, principal: Principal, leave: Leave) -> Asset:
        """Take what has arrived at the store. Raises JobNotFound where nothing has."""
        if not leave.key:
            raise InputError("this file comes through the server", hint=f"PUT /v1/uploads/{leave.upload_id}")
        with tempfile.TemporaryDirectory(prefix="ugclab-upload-") as folder:
            path = Path(folder) / leave.name
            try:
                if self._queue.store.stat(leave.key).size_bytes > self.limit_mb(leave.role) << 20:
                    raise IntakeError("what has arrived is too large", hint="cut or compress it, then begin again")
                self._queue.store.get_file(leave.key, path)
            except KeyError as error:
                raise InputError(
                    "nothing has arrived yet", hint="PUT the file to the address that was given"
                ) from error
            return self.take(principal, leave, path)

    def _forget(self, upload_id: str, key: str) -> None:
        with self._queue.database.transaction() as connection:
            connection.execute(uploads.delete().where(uploads.c.upload_id == upload_id))
        if key:
            self._queue.store.delete_prefix(key)

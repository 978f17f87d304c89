"""How files get to another machine: by addresses in the project's own store, or into the machine itself."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from ugclab.engines.remote.faults import refusal
from ugclab.engines.remote.line import Line
from ugclab.engines.remote.orders import GLANCE_S
from ugclab.errors import Cancelled, EngineError, EngineUnavailable, IntakeError
from ugclab.schema.contract import ASSET, Role, UploadLeave, UploadWanted
from ugclab.storage.store import LONGEST_URL_S, Store, file_sha256

Progress = Callable[[int, int], None]


class Carrier(Protocol):
    """Brings files where another machine can read them."""

    def bring(self, role: Role, path: Path, told: Progress, cancelled: Callable[[], bool]) -> str:
        """The address of a file for an order. Raises NetworkError, StoreError, EngineUnavailable, Cancelled."""

    def clear(self) -> None:
        """The order has ended: what lies in a store of ours goes."""


@dataclass(frozen=True, slots=True)
class ByStore:
    """Through the project's folder of a store that gives addresses out; deleted when the order has ended."""

    store: Store
    folder: str
    lasting_s: float
    """How long the order may take: an address may be read at its very end."""

    def bring(self, role: Role, path: Path, told: Progress, cancelled: Callable[[], bool]) -> str:
        """Put it there, unless an earlier attempt has, and sign an address."""
        key = f"{self.folder}/{role}{path.suffix}"
        with ThreadPoolExecutor(1, "carry") as pool:
            writing = pool.submit(self.store.put_file, key, path)
            while not wait([writing], GLANCE_S).done:
                told(0, 1)  # a store tells nothing of its progress: at least that there is life
            writing.result()
        if cancelled():
            raise Cancelled("cancelled")
        url = self.store.url(key, min(LONGEST_URL_S, round(self.lasting_s) + 3600))
        if url is None:
            raise EngineUnavailable(
                "files cannot be handed to another machine from a local store", hint="set UGCLAB_S3_BUCKET"
            )
        return url

    def clear(self) -> None:
        """Delete the folder."""
        self.store.delete_prefix(f"{self.folder}/")


@dataclass(frozen=True, slots=True)
class ByUpload:
    """Into the other machine: it says where to, and names what it has got by its hash."""

    line: Line
    deadline_s: float

    def bring(self, role: Role, path: Path, told: Progress, cancelled: Callable[[], bool]) -> str:
        """POST /v1/uploads, then send it, unless it is there already."""
        sha256 = file_sha256(path)
        wanted = UploadWanted(role=role, name=path.name, size_bytes=path.stat().st_size, sha256=sha256)
        try:
            leave = UploadLeave.model_validate(self.line.ask("POST", "/v1/uploads", wanted.model_dump(mode="json")))
        except ValidationError as error:
            raise EngineUnavailable(
                f"{self.line.host} does not take files as it should",
                hint="is its version of ugclab as new as this one?",
            ) from error
        if not leave.asset:
            self._send(leave, path, told, cancelled)
        return f"{ASSET}{sha256}"

    def _send(self, leave: UploadLeave, path: Path, told: Progress, cancelled: Callable[[], bool]) -> None:
        """Send it to the machine by the address we know it by, or to the store it names; that one gets no key."""
        own = f"/v1/uploads/{leave.upload_id}"
        url = self.line.absolute(leave.url if leave.complete else own)
        try:
            answer = self.line.client.send_file(
                leave.method,
                url,
                path,
                leave.headers | self.line.secrets_for(url),
                deadline_s=self.deadline_s,
                on_progress=told,
                cancelled=cancelled,
            )
        except IntakeError as error:
            raise EngineError(f"where {self.line.host} wants the file: {error.message}", hint=error.hint) from error
        if not 200 <= answer.status < 300:
            raise refusal(answer.status, b"", self.line.host)
        if leave.complete:
            self.line.ask("POST", f"{own}/complete")

    def clear(self) -> None:
        """What it has got is that machine's to tidy."""

"""Bytes out of the store, with ranges so that a video can be scrubbed, wherever the store is."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response

from ugclab.errors import JobNotFound
from ugclab.jobs.links import SIGNED_S
from ugclab.schema.media import Asset
from ugclab.settings import Settings
from ugclab.storage.local import LocalStore
from ugclab.storage.paths import media_type_of
from ugclab.storage.store import Store

FOR_EVER = "private, max-age=31536000, immutable"
"""For what lies under the hash of its bytes."""
NEVER = "private, no-store"


class Serving:
    """Sends objects of a store. A local store's own files; of another a copy, kept on this machine's disk."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._copies = settings.data_dir.expanduser() / "served"

    def show(self, key: str, *, cache: str = FOR_EVER, name: str = "") -> Response:
        """An object to be shown in a page, or saved under a name. Raises JobNotFound."""
        headers = {"Cache-Control": cache, "X-Content-Type-Options": "nosniff"}
        return FileResponse(self._file(key), media_type=media_type_of(key), headers=headers, filename=name or None)

    def give(self, key: str, name: str) -> Response:
        """An object to be saved: straight from the store where it can give out addresses."""
        if (address := self._store.url(key, SIGNED_S, download_name=name)) is not None:
            return RedirectResponse(address, 307, headers={"Cache-Control": "no-store"})
        return self.show(key, cache=NEVER, name=name)

    def _file(self, key: str) -> Path:
        try:
            if isinstance(self._store, LocalStore):
                self._store.stat(key)
                return self._store.path(key)
            copy = self._copies / hashlib.sha256(key.encode()).hexdigest()
            if not copy.exists():
                self._copies.mkdir(parents=True, exist_ok=True)
                self._store.get_file(key, copy)
            elif not self._store.exists(key):
                copy.unlink(missing_ok=True)
                raise KeyError(key)
        except KeyError as error:
            raise JobNotFound("this file is no longer here", hint="it was deleted") from error
        return copy


def wants_page(request: Request) -> bool:
    """Whether a browser is opening an address, rather than a program fetching it."""
    return request.method == "GET" and "text/html" in request.headers.get("accept", "")


def link_routes(behind: Callable[[str], Asset], serving: Serving) -> APIRouter:
    """`/r/{token}`: a result for whoever has its stable link. `behind` raises JobNotFound."""
    routes = APIRouter()

    @routes.api_route("/r/{token}", methods=["GET", "HEAD"], include_in_schema=False)
    def given_out(token: str, request: Request) -> Response:
        """For whoever has the link, logged in or not."""
        try:
            asset = behind(token)
        except JobNotFound as error:
            if not wants_page(request):
                raise
            return PlainTextResponse(f"{error.message}: {error.hint}.", 404)
        return serving.give(asset.key, asset.name)

    return routes

"""A request's body as a file: streamed to disk, never larger than it may be, gone when it was looked at."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from fastapi import Request

from ugclab.errors import IntakeError
from ugclab.net.urls import clean_name


@asynccontextmanager
async def received(request: Request, data_dir: Path, name: str, limit_mb: int) -> AsyncIterator[Path]:
    """The body under the name a person calls it, while the block lasts. Raises IntakeError if it is too large."""
    announced = request.headers.get("content-length", "")
    _check_size(int(announced[:20]) if announced.isascii() and announced.isdigit() else 0, limit_mb)
    folder = upload_folder(data_dir) / secrets.token_hex(8)
    folder.mkdir(parents=True)
    path = folder / (clean_name(name) or "upload")
    try:
        size = 0
        with path.open("wb") as file:
            async for block in request.stream():
                size += len(block)
                _check_size(size, limit_mb)
                file.write(block)
        yield path
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)
            folder.rmdir()


def upload_folder(data_dir: Path) -> Path:
    """Where uploads arrive."""
    return data_dir.expanduser() / "uploads"


def _check_size(size: int, limit_mb: int) -> None:
    if size > limit_mb << 20:
        raise IntakeError(f"the file is larger than {limit_mb} MB", hint="cut or compress it, then bring it again")

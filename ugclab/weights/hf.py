"""Fetch part of a Hugging Face repository: only what is asked for, resumable, verified file by file.

huggingface_hub does the talking (endpoint, token, redirects, retries). Files are written by ourselves, because since
its version 2 an interrupted download starts anew, which hurts with shards of 10 GB: ours goes on in
`.cache/ugclab/<path>.partial`, at most the last 10 MB lost. What was fetched is noted in
`.cache/ugclab/manifest.json`, with the hub's hashes.
"""

import fnmatch
import hashlib
import json
import shutil
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlparse

from ugclab.errors import DiskFull, EngineUnavailable, WeightsCorrupt, WeightsError

CACHE = ".cache/ugclab"
WORKERS = 4
"""Files at a time: a pose model of 394 small files is bound by round trips, shards by the line."""

Progress = Callable[[str, int, int], None]
"""Called with a file's path, its bytes so far and its size; from several threads."""


@dataclass(frozen=True)
class RemoteFile:
    """A file as the hub describes it: SHA-256 for large files, a git blob id for small ones."""

    path: str
    size_bytes: int
    sha256: str = ""
    git_sha1: str = ""


@dataclass(frozen=True)
class Pulled:
    """What a pull did."""

    folder: Path
    files: tuple[RemoteFile, ...]
    fetched_bytes: int
    kept: int

    @property
    def total_bytes(self) -> int:
        """Bytes of all files, fetched or kept."""
        return sum(file.size_bytes for file in self.files)


def list_files(
    repository: str,
    revision: str,
    patterns: Sequence[str],
    *,
    endpoint: str | None = None,
    token: str | bool | None = None,
) -> tuple[RemoteFile, ...]:
    """The files of a repository that match any pattern. Raises WeightsError where the hub does not answer."""
    hub = _hub()
    try:
        entries = list(
            hub.HfApi(endpoint=endpoint, token=token).list_repo_tree(repository, revision=revision, recursive=True)
        )
    except Exception as error:
        raise _unreachable(repository, error) from error
    files = []
    for entry in entries:
        if isinstance(entry, hub.RepoFile) and any(fnmatch.fnmatch(entry.path, pattern) for pattern in patterns):
            if ".." in PurePosixPath(entry.path).parts or entry.path.startswith("/"):
                raise WeightsError(f"{repository} lists a file outside its folder: {entry.path}")
            sha256 = entry.lfs.sha256 if entry.lfs else ""
            files.append(RemoteFile(entry.path, entry.size, sha256, "" if sha256 else entry.blob_id))
    if not files:
        raise WeightsError(f"{repository} has no file that matches {', '.join(patterns)}")
    return tuple(files)


def pull(
    repository: str,
    revision: str,
    patterns: Sequence[str],
    folder: Path,
    *,
    endpoint: str | None = None,
    token: str | bool | None = None,
    progress: Progress = lambda path, done, size: None,
) -> Pulled:
    """Fetch the matching files into `folder`. What is there already is verified and kept.

    Raises WeightsError where the hub does not answer, WeightsCorrupt where what came is not what the hub announced,
    DiskFull before anything is fetched that would not fit, EngineUnavailable without huggingface_hub.
    """
    files = list_files(repository, revision, patterns, endpoint=endpoint, token=token)
    folder.mkdir(parents=True, exist_ok=True)
    known = noted(folder)
    missing = [file for file in files if not _is_whole(folder, file, known)]
    _check_disk(folder, missing)
    note = threading.Lock()
    whole = {file.path: file for file in files if file not in missing}

    def fetch(file: RemoteFile) -> None:
        _fetch(repository, revision, file, folder, endpoint, token, progress)
        with note:
            whole[file.path] = file
            _write_note(folder, repository, revision, whole)

    _write_note(folder, repository, revision, whole)
    with ThreadPoolExecutor(WORKERS) as pool:
        futures = [pool.submit(fetch, file) for file in missing]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return Pulled(folder, files, sum(file.size_bytes for file in missing), len(files) - len(missing))


def _fetch(
    repository: str,
    revision: str,
    file: RemoteFile,
    folder: Path,
    endpoint: str | None,
    token: str | bool | None,
    progress: Progress,
) -> None:
    hub = _hub()
    partial = folder / CACHE / f"{file.path}.partial"
    partial.parent.mkdir(parents=True, exist_ok=True)
    done = partial.stat().st_size if partial.exists() else 0
    if done > file.size_bytes:
        partial.unlink()
        done = 0
    try:
        url = hub.hf_hub_url(repository, file.path, revision=revision, endpoint=endpoint)
        headers = hub.utils.build_hf_headers(token=token)
        location = hub.get_hf_file_metadata(url, token=token, endpoint=endpoint).location
        if urlparse(location).netloc != urlparse(url).netloc:
            headers.pop("authorization", None)  # a content server gets no token
        with partial.open("ab") as opened:
            if done < file.size_bytes:
                hub.file_download.http_get(
                    location,
                    opened,
                    resume_size=done,
                    headers=headers,
                    expected_size=file.size_bytes,
                    tqdm_class=_reporter(hub, file, done, progress),
                )
    except OSError as error:
        if error.errno == 28:  # ENOSPC
            raise DiskFull(f"no space is left for {file.path}", hint="free some and pull again: it goes on") from error
        raise _unreachable(repository, error) from error
    except Exception as error:
        raise _unreachable(repository, error) from error
    if not _matches(partial, file):
        partial.unlink()
        raise WeightsCorrupt(
            f"{file.path} came with another hash than {repository} announces", hint="pull again: it was removed"
        )
    target = folder / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    partial.replace(target)


def _reporter(hub: Any, file: RemoteFile, done: int, progress: Progress) -> Any:
    """A progress bar for huggingface_hub that shows nothing and tells `progress`."""

    class Reporter(hub.utils.tqdm):  # type: ignore[misc]
        """Counts what arrives."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs["disable"] = True
            super().__init__(*args, **kwargs)
            self.seen = done

        def update(self, n: float | None = 1) -> None:
            self.seen += int(n or 0)
            progress(file.path, self.seen, file.size_bytes)

    return Reporter


def _is_whole(folder: Path, file: RemoteFile, known: dict[str, Any]) -> bool:
    """Whether a file is there: by our note where the size is right too, else by its hash."""
    target = folder / file.path
    if not target.is_file() or target.stat().st_size != file.size_bytes:
        return False
    noted = known.get(file.path, {})
    if noted.get("sha256", "") == file.sha256 and noted.get("git_sha1", "") == file.git_sha1 and noted:
        return True
    return _matches(target, file)


def _matches(path: Path, file: RemoteFile) -> bool:
    digest = hashlib.sha256() if file.sha256 else hashlib.sha1(usedforsecurity=False)
    if not file.sha256:
        digest.update(f"blob {path.stat().st_size}\0".encode())
    with path.open("rb") as opened:
        while block := opened.read(2**20):
            digest.update(block)
    return digest.hexdigest() == (file.sha256 or file.git_sha1)


def noted(folder: Path) -> dict[str, Any]:
    """What was fetched into a folder, by path: size and hashes as the hub gave them; empty where nothing is noted."""
    try:
        files = json.loads((folder / CACHE / "manifest.json").read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return files if isinstance(files, dict) else {}


def _write_note(folder: Path, repository: str, revision: str, files: dict[str, RemoteFile]) -> None:
    path = folder / CACHE / "manifest.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    entries = {
        file.path: {"size_bytes": file.size_bytes, "sha256": file.sha256, "git_sha1": file.git_sha1}
        for file in sorted(files.values(), key=lambda file: file.path)
    }
    content = {"schema_version": 1, "repository": repository, "revision": revision, "files": entries}
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(content, indent=1), encoding="utf-8")
    fresh.replace(path)


def _check_disk(folder: Path, missing: Sequence[RemoteFile]) -> None:
    partial = (folder / CACHE / f"{file.path}.partial" for file in missing)
    held = sum(path.stat().st_size for path in partial if path.exists())
    needed, free = sum(file.size_bytes for file in missing) - held, shutil.disk_usage(folder).free
    if needed > free:
        raise DiskFull(
            f"{needed / 2**30:.1f} GiB are to be fetched, and {folder} has {free / 2**30:.1f} GiB left",
            hint="free some, or give another folder",
        )


def _hub() -> Any:
    try:
        import huggingface_hub
        import huggingface_hub.file_download
    except ImportError as error:
        raise EngineUnavailable(
            "fetching from Hugging Face needs huggingface_hub", hint="pip install 'ugclab[wan]'"
        ) from error
    return huggingface_hub


def _unreachable(repository: str, error: Exception) -> WeightsError:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return WeightsError(
        f"{repository} cannot be fetched: {lines[0]}",
        hint="check the name, the connection, and HF_TOKEN for a gated repository; pull again: it goes on",
    )

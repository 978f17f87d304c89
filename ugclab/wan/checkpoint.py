"""Verify a checkpoint folder of Wan2.2-Animate-14B: what is missing, cut off, damaged, or not needed.

Sizes and safetensors headers are checked always, without reading weights; hashes only when asked (54 GB take minutes).
What to compare with comes from three places: the folder's own record of its download (ours, or huggingface_hub's
`.cache/huggingface`), and the packaged manifest.
"""

import fnmatch
import json
import math
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import Field

from ugclab.errors import InputError, WeightsCorrupt
from ugclab.schema.base import Frozen
from ugclab.wan.manifest import (
    REPLACEMENT,
    File,
    Folder,
    Manifest,
    Record,
    Tokenizer,
    Use,
    hub_etag,
    manifest,
    matches,
    own_record,
)
from ugclab.wan.problems import Problem, Severity, Stage
from ugclab.wan.safetensors import read_header

INDEX = "diffusion_pytorch_model.safetensors.index.json"
STAGES: dict[Use, Stage] = {
    "generate": Stage.LOAD,
    "relight": Stage.LOAD,
    "preprocess": Stage.START,
    "replace": Stage.START,
}


class CheckpointReport(Frozen):
    """What was found in a folder."""

    folder: Path
    uses: tuple[Use, ...]
    problems: tuple[Problem, ...]
    present_bytes: int = Field(description="of what is needed")
    missing_bytes: int = Field(description="of what is needed, as far as sizes are known")
    extra_bytes: int = Field(description="of what is not needed for these uses")
    free_bytes: int = Field(description="on the folder's disk")
    parameters: int = Field(0, description="of the transformer, from its headers")
    dtypes: tuple[str, ...] = ()
    hashed: int = Field(0, description="files whose hash was compared")

    @property
    def whole(self) -> bool:
        """Whether nothing needed is missing or damaged."""
        return not any(problem.severity is Severity.ERROR for problem in self.problems)


def verify(
    folder: Path,
    uses: tuple[Use, ...] = REPLACEMENT,
    *,
    hashes: bool = False,
    expected: Manifest | None = None,
    progress: Callable[[str], None] = lambda path: None,
) -> CheckpointReport:
    """Compare a folder with the manifest. Raises InputError where it is none; findings are problems, not errors."""
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder", hint="give the folder that holds config.json")
    return _Verifier(folder, uses, expected or manifest(), hashes, progress).run()


class _Verifier:
    def __init__(
        self, folder: Path, uses: tuple[Use, ...], expected: Manifest, hashes: bool, progress: Callable[[str], None]
    ) -> None:
        self.folder = folder
        self.uses = uses
        self.expected = expected
        self.hashes = hashes
        self.progress = progress
        self.records = own_record(folder)
        self.problems: list[Problem] = []
        self.hashed = 0
        self.parameters = 0
        self.dtypes: set[str] = set()

    def run(self) -> CheckpointReport:
        needed = self._needed_files()
        missing_bytes = 0
        for path, file in needed.items():
            record = self._record(path)
            target = self.folder / path
            if target.is_file():
                self._file(target, file, record)
            else:
                missing_bytes += record.size_bytes or file.least_bytes
                self._say("C1", Severity.ERROR, f"{path} is missing", "ugclab models pull wan2.2-animate", file.uses[0])
        for tokenizer in self.expected.tokenizers:
            if set(tokenizer.uses) & set(self.uses):
                self._tokenizer(tokenizer)
        for part in self.expected.folders:
            if set(part.uses) & set(self.uses):
                missing_bytes += self._folder(part)
        if "generate" in self.uses and (self.folder / INDEX).is_file():
            self._index()
        present, extra = self._sizes()
        return CheckpointReport(
            folder=self.folder,
            uses=self.uses,
            problems=tuple(self.problems),
            present_bytes=present,
            missing_bytes=missing_bytes,
            extra_bytes=extra,
            free_bytes=shutil.disk_usage(self.folder).free,
            parameters=self.parameters,
            dtypes=tuple(sorted(self.dtypes)),
            hashed=self.hashed,
        )

    def _needed_files(self) -> dict[str, File]:
        """The manifest's files for the chosen uses, and those a pull recorded for them."""
        files = {file.path: file for file in self.expected.files if set(file.uses) & set(self.uses)}
        for use in self.uses:
            for path in self.records:
                if path not in files and any(fnmatch.fnmatch(path, p) for p in self.expected.patterns[use]):
                    files[path] = File(path=path, uses=(use,))
        return files

    def _record(self, path: str) -> Record:
        """What the file should be: our record, else huggingface_hub's, else the manifest's."""
        if path in self.records:
            return self.records[path]
        listed = next((file for file in self.expected.files if file.path == path), None)
        record = Record(size_bytes=listed.size_bytes, sha256=listed.sha256) if listed else Record()
        etag = hub_etag(self.folder, path)
        if len(etag) == 64:
            # Another revision may hold another file: then the manifest's size is not this file's.
            same = record.sha256 in {"", etag}
            return Record(size_bytes=record.size_bytes if same else None, sha256=etag)
        return record.model_copy(update={"git_sha1": etag}) if len(etag) == 40 else record

    def _file(self, target: Path, file: File, record: Record) -> None:
        use, path, size = file.uses[0], file.path, target.stat().st_size
        with target.open("rb") as opened:
            head = opened.read(64)
        fix = f"delete it and pull again: {path}"
        if head.startswith(b"version https://git-lfs"):
            self._say(
                "C2",
                Severity.ERROR,
                f"{path} is a Git LFS pointer, not the file",
                "git lfs pull, or ugclab models pull wan2.2-animate",
                use,
            )
        elif record.size_bytes is not None and size != record.size_bytes:
            kind = "is cut off" if size < record.size_bytes else "is not the file expected"
            self._say("C2", Severity.ERROR, f"{path} {kind}: {size} of {record.size_bytes} bytes", fix, use)
        elif size < file.least_bytes:
            self._say("C2", Severity.ERROR, f"{path} is cut off: {size} bytes", fix, use)
        elif head.startswith(b"PK\x03\x04") and not zipfile.is_zipfile(target):
            self._say("C2", Severity.ERROR, f"{path} is cut off: its end is missing", fix, use)
        elif path.endswith(".safetensors"):
            self._safetensors(target, path, use)
        elif path.endswith(".json"):
            self._json(target, path, use)
        if self.hashes and (record.sha256 or record.git_sha1):
            self._hash(target, path, record, use)

    def _safetensors(self, target: Path, path: str, use: Use) -> None:
        try:
            header = read_header(target)
        except WeightsCorrupt as error:
            self._say("C3", Severity.ERROR, error.message, f"delete it and pull again: {path}", use)
            return
        size = target.stat().st_size
        if size != header.file_bytes:
            what = f"{path} has {size} bytes, its header speaks of {header.file_bytes}"
            self._say("C2", Severity.ERROR, what, f"delete it and pull again: {path}", use)
        self.parameters += sum(math.prod(shape) for _, shape in header.tensors.values())
        self.dtypes |= {dtype for dtype, _ in header.tensors.values()}

    def _json(self, target: Path, path: str, use: Use) -> None:
        try:
            json.loads(target.read_text(encoding="utf-8"))
        except (ValueError, RecursionError):
            self._say("C2", Severity.ERROR, f"{path} is no JSON: it is cut off or damaged", "pull it again", use)

    def _index(self) -> None:
        """The index against the headers: every tensor in the shard it names, and none besides."""
        try:
            weights = json.loads((self.folder / INDEX).read_text(encoding="utf-8"))["weight_map"]
            shards = {str(shard) for shard in weights.values()}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return  # told by _json, or not an index at all
        for shard in sorted(shards):
            if not (self.folder / shard).is_file():
                if not any(file.path == shard for file in self.expected.files):
                    self._say("C1", Severity.ERROR, f"{shard}, named by the index, is missing", "pull it", "generate")
                continue
            try:
                held = set(read_header(self.folder / shard).tensors)
            except WeightsCorrupt:
                continue
            named = {name for name, where in weights.items() if where == shard}
            if named != held:
                lacking, besides = len(named - held), len(held - named)
                what = f"{shard} does not fit the index: {lacking} tensors lacking, {besides} not named"
                self._say(
                    "C3", Severity.ERROR, what, "index and shards are of different downloads: pull again", "generate"
                )

    def _tokenizer(self, tokenizer: Tokenizer) -> None:
        folder = self.folder / tokenizer.path
        if not any((folder / name).is_file() for name in tokenizer.any_of):
            what = f"the tokenizer {tokenizer.path} is missing ({' or '.join(tokenizer.any_of)})"
            self._say("C6", Severity.ERROR, what, "ugclab models pull wan2.2-animate", tokenizer.uses[0])

    def _folder(self, part: Folder) -> int:
        """Check a model that is a folder. Returns the bytes it lacks."""
        folder, use = self.folder / part.path, part.uses[0]
        if folder.is_file():
            what = f"{part.path} is a file: it has to be a folder of {part.files} files"
            self._say("C5", Severity.ERROR, what, "pull it again from the original repository", use)
            return part.size_bytes
        if not folder.is_dir():
            self._say("C1", Severity.ERROR, f"{part.path} is missing", "ugclab models pull wan2.2-animate", use)
            return part.size_bytes
        held = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
        if len(held) < part.files or sum(held) < part.size_bytes:
            what = f"{part.path} holds {len(held)} of {part.files} files ({sum(held)} of {part.size_bytes} bytes)"
            self._say("C5", Severity.ERROR, what, "ugclab models pull wan2.2-animate", use)
        return max(0, part.size_bytes - sum(held))

    def _hash(self, target: Path, path: str, record: Record, use: Use) -> None:
        self.progress(path)
        self.hashed += 1
        if not matches(target, record.sha256, record.git_sha1):
            self._say("C4", Severity.ERROR, f"{path} has another hash than the hub's", "delete it and pull again", use)

    def _sizes(self) -> tuple[int, int]:
        """Bytes of needed files, and of files no chosen use needs (told as a note where they are many)."""
        wanted = [pattern for use in self.uses for pattern in self.expected.patterns[use]]
        present, extra = 0, list[tuple[int, str]]()
        for path in self.folder.rglob("*"):
            name = path.relative_to(self.folder).as_posix()
            if not path.is_file() or name.startswith((".cache/", ".git/")):
                continue
            if any(fnmatch.fnmatch(name, pattern) for pattern in wanted):
                present += path.stat().st_size
            else:
                extra.append((path.stat().st_size, name))
        total = sum(size for size, _ in extra)
        if total > 2**30:
            largest = ", ".join(name for _, name in sorted(extra, reverse=True)[:3])
            what = f"{total / 2**30:.1f} GiB are not needed for {', '.join(self.uses)} (the largest: {largest})"
            self._say("C7", Severity.NOTE, what, "delete them where disk is short", "generate")
        return present, total

    def _say(self, code: str, severity: Severity, what: str, fix: str, use: Use) -> None:
        source = f"{self.expected.repository} at {self.expected.revision[:8]}"
        self.problems.append(
            Problem(
                id=code, severity=severity, what=what, fix=fix, source=source, stage=STAGES[use], where=str(self.folder)
            )
        )


def damaged(report: CheckpointReport) -> Iterator[Problem]:
    """The problems that are damage rather than absence."""
    return (p for p in report.problems if p.severity is Severity.ERROR and p.id not in {"C1", "C6"})

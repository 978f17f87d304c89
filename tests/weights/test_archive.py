"""Archives of model files: the same bytes each time, whole or refused, and never a file outside its folder."""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ugclab.errors import DiskFull, LicenceNotAccepted, OutputError, WeightsCorrupt, WeightsError
from ugclab.weights import archive as archives
from ugclab.weights.archive import Checkpoint, pack, read_manifest, unpack
from ugclab.weights.catalog import ModelFile

CONTENT = {"set/a.bin": bytes(range(256)) * 900, "set/b.bin": b"b" * 70_000, "set/bound.bin": b"n" * 1000}
CATALOG = {
    name: ModelFile(
        name=name,
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        licence="Apache-2.0",
        sources=(),
        used_by=("some",),
        terms="for research only" if "bound" in name else "",
    )
    for name, content in CONTENT.items()
}
FREE = ["set/a.bin", "set/b.bin"]


def fill(folder: Path, content: dict[str, bytes]) -> Path:
    for name, data in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return fill(tmp_path / "here", CONTENT)


@pytest.fixture
def packed(here: Path, tmp_path: Path) -> Path:
    pack(FREE, here, tmp_path / "models.tar", catalog=CATALOG)
    return tmp_path / "models.tar"


def taken(archive: Path, folder: Path, **more: Any) -> None:
    unpack(archive, folder, checkpoints={}, catalog=CATALOG, **more)


def left(folder: Path) -> list[str]:
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name != ".lock"
    )


def test_there_and_back(here: Path, packed: Path, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    taken(packed, tmp_path / "there", on_progress=lambda *step: seen.append(step))
    assert left(tmp_path / "there") == FREE
    assert (tmp_path / "there/set/a.bin").read_bytes() == CONTENT["set/a.bin"]
    assert seen[-1] == ("files/set/b.bin", 70_000, 70_000)
    assert not list((tmp_path / "there").glob(".import*"))


def test_the_same_files_give_the_same_archive(here: Path, packed: Path, tmp_path: Path) -> None:
    other = fill(tmp_path / "elsewhere", CONTENT)
    manifest, digest = pack(reversed(FREE), other, tmp_path / "again.tar", catalog=CATALOG)
    assert (tmp_path / "again.tar").read_bytes() == packed.read_bytes()
    assert digest == hashlib.sha256(packed.read_bytes()).hexdigest()
    assert read_manifest(packed) == manifest


def test_what_is_not_here_or_not_whole_is_not_packed(here: Path, tmp_path: Path) -> None:
    (here / "set/a.bin").write_bytes(b"?" * len(CONTENT["set/a.bin"]))
    (here / "set/b.bin").unlink()
    with pytest.raises(WeightsError, match=r"set/a\.bin \(wrong hash\), set/b\.bin \(absent\)"):
        pack(FREE, here, tmp_path / "models.tar", catalog=CATALOG)
    with pytest.raises(WeightsError, match="nothing to pack"):
        pack([], here, tmp_path / "models.tar", catalog=CATALOG)
    assert not list(tmp_path.glob("*models*"))


def test_a_file_that_changes_while_it_is_packed_leaves_no_archive(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = archives._plain

    def late(name: str, size: int) -> tarfile.TarInfo:
        (here / "set/b.bin").write_bytes(b"c" * 70_000)
        return plain(name, size)

    monkeypatch.setattr(archives, "_plain", late)
    with pytest.raises(WeightsCorrupt, match=r"b\.bin is damaged, or changed"):
        pack(FREE, here, tmp_path / "models.tar", catalog=CATALOG)
    assert not list(tmp_path.glob("*models*"))


def test_licences_travel_unaccepted(here: Path, tmp_path: Path) -> None:
    manifest, _ = pack(CONTENT, here, tmp_path / "models.tar", catalog=CATALOG)
    assert {file.name: bool(file.terms) for file in manifest.files} == {n: "bound" in n for n in CONTENT}
    with pytest.raises(LicenceNotAccepted, match="for research only") as refused:
        taken(tmp_path / "models.tar", tmp_path / "there")
    assert "--accept-licence" in refused.value.hint
    assert not (tmp_path / "there").exists()
    taken(tmp_path / "models.tar", tmp_path / "there", accepted=True)
    assert left(tmp_path / "there") == sorted(CONTENT)
    taken(tmp_path / "models.tar", tmp_path / "there")  # what is here was accepted by whoever put it there


Members = list[tuple[tarfile.TarInfo, bytes]]


def rewritten(archive: Path, change: Callable[[Members], Members | None]) -> Path:
    """The archive with other members, as somebody else might have made it."""
    with tarfile.open(archive) as tar:
        members = [(info, tar.extractfile(info).read()) for info in tar]  # type: ignore[union-attr]
    members = change(members) or members
    with tarfile.open(archive, "w") as tar:
        for info, data in members:
            if info.isreg():
                info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return archive


def member(name: str, data: bytes = b"x", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = 0 if fields else len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def manifested(members: Members, **entry: Any) -> Members:
    """One more entry in the manifest, and the member it names at the end."""
    content = json.loads(members[0][1])
    content["files"].append(content["files"][0] | entry)
    return [(members[0][0], json.dumps(content).encode()), *members[1:], member(f"files/{entry.get('name', '')}")]


def damaged(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


HOSTILE: dict[str, tuple[Callable[[Members], Members], str]] = {
    "another hash": (lambda m: [m[0], m[1], (m[2][0], damaged(m[2][1]))], "wrong hash"),
    "a missing member": (lambda m: m[:-1], "ends before files/set/b.bin"),
    "no manifest": (lambda m: m[1:], "does not begin with"),
    "an extra member": (lambda m: [*m, member("files/set/c.bin")], "its manifest does not name"),
    "an extra link": (lambda m: [*m, member("files/l", type=tarfile.SYMTYPE, linkname="/etc")], "does not name"),
    "another order": (lambda m: [m[0], m[2], m[1]], "where files/set/a.bin should be"),
    "a member outside": (lambda m: [m[0], member("../../evil"), *m[2:]], "where files/set/a.bin should be"),
    "a link in place of a file": (
        lambda m: [m[0], member("files/set/a.bin", type=tarfile.SYMTYPE, linkname="/etc/passwd"), m[2]],
        "of 0 bytes where",
    ),
    "a manifest that climbs": (lambda m: manifested(m, name="../../evil"), "stays inside"),
    "a manifest from the root": (lambda m: manifested(m, name="/etc/evil"), "stays inside"),
    "a manifest with backslashes": (lambda m: manifested(m, name="..\\evil"), "stays inside"),
    "a checkpoint that climbs": (lambda m: manifested(m, name="x", checkpoint="../.."), "stays inside"),
    "an unknown checkpoint": (lambda m: manifested(m, name="x", checkpoint="gpt"), "no checkpoint is called"),
    "a file of no version": (lambda m: manifested(m, name="set/c.bin"), "no model file of this version"),
    "a file named twice": (lambda m: manifested(m, name="set/a.bin"), "something twice"),
    "a manifest of tomorrow": (
        lambda m: [(m[0][0], m[0][1].replace(b'"schema_version": 1', b'"schema_version": 2')), *m[1:]],
        "newer than this version",
    ),
    "a manifest that is none": (lambda m: [(m[0][0], b"{"), *m[1:]], "manifest is damaged"),
    "an empty manifest": (lambda m: [(m[0][0], b'{"files": []}')], "names nothing"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_not_ours_is_refused_and_leaves_nothing(kind: str, packed: Path, tmp_path: Path) -> None:
    change, said = HOSTILE[kind]
    there = fill(tmp_path / "there", {"set/a.bin": b"what was here"})
    with pytest.raises(WeightsCorrupt, match=said):
        taken(rewritten(packed, change), there)
    assert left(there) == ["set/a.bin"]
    assert (there / "set/a.bin").read_bytes() == b"what was here"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "models.tar", "there"]


def test_another_file_under_a_known_name_is_refused(packed: Path, tmp_path: Path) -> None:
    """A manifest and its file may agree: the catalogue has the last word."""
    forged = b"f" * 70_000

    def forge(members: Members) -> Members:
        content = json.loads(members[0][1])
        content["files"][1]["sha256"] = hashlib.sha256(forged).hexdigest()
        return [(members[0][0], json.dumps(content).encode()), members[1], (members[2][0], forged)]

    with pytest.raises(WeightsCorrupt, match=r"its set/b\.bin is another file"):
        taken(rewritten(packed, forge), tmp_path / "there")


def test_an_archive_cut_off_anywhere_is_refused(packed: Path, tmp_path: Path) -> None:
    whole = packed.read_bytes()
    end = whole.rstrip(b"\0").__len__()
    for length in (0, 100, 511, 512, 1500, end // 2, end - 40_000, end - 1):
        packed.write_bytes(whole[:length])
        with pytest.raises(WeightsCorrupt):
            taken(packed, tmp_path / "there")
        assert left(tmp_path / "there") == [] if (tmp_path / "there").exists() else True


def test_a_file_that_is_no_archive_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"no archive at all" * 100)
    with pytest.raises(WeightsCorrupt, match="no archive of ours"):
        taken(tmp_path / "x", tmp_path / "there")
    with pytest.raises(WeightsError, match="cannot be read"):
        taken(tmp_path / "none", tmp_path / "there")


def test_a_full_disk_is_told_before_anything_is_written(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 1000

    monkeypatch.setattr(archives.shutil, "disk_usage", lambda folder: Usage)
    with pytest.raises(DiskFull, match="GiB are to be unpacked"):
        taken(packed, tmp_path / "there")
    assert left(tmp_path / "there") == []


def test_a_folder_that_cannot_be_written(here: Path, packed: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="does not exist"):
        pack(FREE, here, tmp_path / "none/models.tar", catalog=CATALOG)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    """A folder as a pull from a hub leaves it: large files noted by sha256, small ones by git's hash."""
    content = {"big.safetensors": b"w" * 50_000, "sub/config.json": b"{}"}
    folder = fill(tmp_path / "wan", content | {"stranger.txt": b"not noted"})
    blob = hashlib.sha1(b"blob 2\0{}", usedforsecurity=False).hexdigest()
    digest = hashlib.sha256(content["big.safetensors"]).hexdigest()
    files = {
        "big.safetensors": {"size_bytes": 50_000, "sha256": digest, "git_sha1": ""},
        "sub/config.json": {"size_bytes": 2, "sha256": "", "git_sha1": blob},
    }
    note = {"schema_version": 1, "repository": "team/x", "revision": "main", "files": files}
    fill(folder, {".cache/ugclab/manifest.json": json.dumps(note).encode()})
    return Checkpoint(name="wan", folder=folder, licence="Apache-2.0")


def test_a_checkpoint_travels_with_its_record(here: Path, checkpoint: Checkpoint, tmp_path: Path) -> None:
    archive = tmp_path / "wan.tar"
    pack(FREE, here, archive, checkpoints=[checkpoint], catalog=CATALOG)
    unpack(
        archive,
        tmp_path / "there",
        checkpoints={"wan": tmp_path / "own/place", "other": tmp_path / "o"},
        catalog=CATALOG,
    )
    noted = [".cache/ugclab/manifest.json", "big.safetensors", "sub/config.json"]
    assert left(tmp_path / "own/place") == noted
    assert left(tmp_path / "there") == FREE
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("name", ["big.safetensors", "sub/config.json", ".cache/ugclab/manifest.json"])
def test_a_checkpoint_that_is_not_whole_is_not_packed(name: str, checkpoint: Checkpoint, tmp_path: Path) -> None:
    path = checkpoint.folder / name
    path.write_bytes(b"?" * path.stat().st_size)
    with pytest.raises(WeightsError, match=r"damaged|no record"):
        pack([], tmp_path, tmp_path / "wan.tar", checkpoints=[checkpoint], catalog={})
    path.unlink()
    with pytest.raises(WeightsError, match=r"missing|no record"):
        pack([], tmp_path, tmp_path / "wan.tar", checkpoints=[checkpoint], catalog={})
    assert not (tmp_path / "wan.tar").exists()

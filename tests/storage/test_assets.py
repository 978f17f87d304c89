"""Assets: staged once under their hash, and brought to this machine's disk with their bytes checked."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.storage.conftest import BUCKET, Backend
from ugclab.errors import InputError, MediaError, StoreCorrupt
from ugclab.schema.media import Asset
from ugclab.storage.artefacts import Artefacts
from ugclab.storage.assets import local_copy, stage
from ugclab.storage.local import LocalStore
from ugclab.storage.s3 import S3Store

DATA = b"not really footage"
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "holiday.MOV"
    path.write_bytes(DATA)
    return path


@pytest.fixture
def kept(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "artefacts")


def staged(backend: Backend, path: Path, **more: Any) -> Asset:
    return stage(backend.store, path, user="ann", project="ad", media_type="video/mp4", **more)


def test_an_asset_lies_under_its_hash_and_comes_back(backend: Backend, clip: Path, kept: LocalStore) -> None:
    asset = staged(backend, clip)
    assert asset.key == f"users/ann/projects/ad/source/{SHA256}.mp4"
    assert (asset.name, asset.sha256, asset.size_bytes) == ("holiday.MOV", SHA256, len(DATA))
    before = backend.written(asset.key)
    assert staged(backend, clip, name="a/../Other\n.mov").name == "Other.mov"
    assert backend.written(asset.key) == before
    with Artefacts(kept, 64) as artefacts:
        path = local_copy(backend.store, asset, artefacts)
        assert path.read_bytes() == DATA
        assert path.suffix == ".mp4"
        assert local_copy(backend.store, asset, artefacts) == path


def test_what_cannot_be_an_asset(backend: Backend, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(MediaError, match="empty"):
        staged(backend, tmp_path / "empty")
    with pytest.raises(InputError):
        stage(backend.store, clip, user="../ann", project="ad", media_type="video/mp4")
    assert list(backend.store.list()) == []


def test_damage_and_loss_are_seen(backend: Backend, clip: Path, kept: LocalStore) -> None:
    asset = staged(backend, clip)
    backend.damage(asset.key)
    with Artefacts(kept, 64) as artefacts:
        with pytest.raises(StoreCorrupt, match="sha256"):
            local_copy(backend.store, asset, artefacts)
        backend.store.delete_prefix("users/ann")
        with pytest.raises(StoreCorrupt, match="no longer"):
            local_copy(backend.store, asset, artefacts)
    assert not [p for p in kept.root.rglob("*") if p.is_file() and not p.name.startswith(".")]


def test_a_download_is_kept_leased_and_evicted(moto: Any, clip: Path, kept: LocalStore) -> None:
    store = S3Store(BUCKET, client=moto)
    asset = stage(store, clip, user="ann", project="ad", media_type="video/mp4")
    reads: list[str] = []
    moto.meta.events.register("before-call.s3.GetObject", lambda **_: reads.append("x"))
    for _ in range(2):
        with Artefacts(kept, 64) as artefacts:
            local_copy(store, asset, artefacts)
    assert len(reads) == 1
    with Artefacts(kept, 0) as artefacts:
        path = local_copy(store, asset, artefacts)
        with Artefacts(kept, 0):
            pass
        assert path.exists()  # in use: the other's eviction left it
    assert not path.exists()

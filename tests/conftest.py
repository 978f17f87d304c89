"""What several rooms' tests share."""

import importlib
import sys
from pathlib import Path

import pytest

from tests.engines.plugin import write_plugin
from tests.face_clips import face_patch, write_clip
from ugclab.media.images import encode_png
from ugclab.settings import Settings

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def plugin_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that, on sys.path, is an installed distribution with the entry point of the tint engine."""
    return write_plugin(tmp_path_factory.mktemp("plugins"))


@pytest.fixture
def tint(plugin_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the tint engine, as installing its package would."""
    monkeypatch.syspath_prepend(str(plugin_dir))
    importlib.invalidate_caches()
    assert str(plugin_dir) in sys.path


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds at 25 frames a second with a tone; the face is there but for frames 20 to 29."""
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    return write_clip(path, audio=True, has_face=lambda number: not 20 <= number < 30)


@pytest.fixture(scope="session")
def avatar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A portrait."""
    path = tmp_path_factory.mktemp("avatars") / "avatar.png"
    path.write_bytes(encode_png(face_patch(256)))
    return path


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Everything below one temporary folder, nothing from the environment but the model files that are there."""
    return Settings(data_dir=tmp_path / "data", artefact_cap_mb=64)

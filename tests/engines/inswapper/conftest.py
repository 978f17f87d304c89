"""The mesh's models and two people, and a catalogue whose InsightFace files are the tests' own."""

import hashlib
from pathlib import Path

import pytest

from tests.engines.mesh.conftest import models, officer, talker
from ugclab.engines.inswapper.engine import RECOGNITION, SWAPPER, InSwapper
from ugclab.errors import UgclabError
from ugclab.settings import Settings
from ugclab.weights.catalog import CATALOG

__all__ = ["models", "officer", "talker"]


@pytest.fixture
def tiny(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings whose model files are all here, InsightFace's small and made up; run on the CPU wherever this is."""
    monkeypatch.setattr(InSwapper.__init__, "__defaults__", ("cpu", lambda: 0))
    from tests.engines.inswapper import networks

    here = settings.model_copy(update={"cache_dir": tmp_path / "cache"})
    try:
        networks.stand_in(here.weights_dir)
    except UgclabError as error:
        pytest.skip(f"no model files: {error}")
    for name in (RECOGNITION, SWAPPER):
        data = (here.weights_dir / name).read_bytes()
        digest = {"size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), "sources": ()}
        monkeypatch.setitem(CATALOG, name, CATALOG[name].model_copy(update=digest))
    return here

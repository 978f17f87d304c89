"""The table of engines: what ran, what did not and why, and what is predicted of what runs elsewhere."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.engines import Tried, cost_table, elsewhere_table, score_table, small, try_all
from tests.engines.tint import Tint
from tests.face_clips import write_clip
from ugclab.engines import registry
from ugclab.engines.registry import Availability
from ugclab.settings import Settings


def test_an_engine_that_cannot_run_is_listed_with_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, avatar: Path
) -> None:
    source = write_clip(tmp_path / "in.mp4", frames=12, rate=3)
    monkeypatch.setattr(registry, "catalogue", lambda: (Tint,))
    away = Availability(ready=False, reason="engine 'tint' needs paint", hint="pip install paint")
    monkeypatch.setattr(registry, "availability", lambda engine, settings: away)
    tried = try_all(tmp_path / "out", source, avatar, "0-1:swap,1-end:keep", Settings(data_dir=tmp_path))
    assert tried == [Tried(Tint.info, "engine 'tint' needs paint: pip install paint")]
    assert "not here: engine 'tint' needs paint: pip install paint" in cost_table(tried)
    assert score_table(tried).count("\n") == 1


def test_what_runs_elsewhere_is_predicted(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4", frames=60, rate=10)
    table = elsewhere_table(source, "0-2:swap,2-end:keep", Settings(bench_dir=""))
    wan, *services = table.splitlines()[2:]
    assert wan.startswith("| wan-animate, ")
    assert "| person |" in wan
    assert any("| lips | unknown |" in line for line in services)
    assert all(len(line.split("|")) == 8 for line in (wan, *services))


def test_a_sheet_fits_into_a_notebook(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((800, 1600, 3), np.uint8)).save(tmp_path / "sheet.png")
    assert Image.open(io.BytesIO(small(tmp_path / "sheet.png", 400))).size == (400, 200)

"""`ugclab models`: whose licence must be accepted is only fetched by who accepts it."""

import json
import sys
from pathlib import Path

import pytest

from ugclab.entrypoints import models
from ugclab.entrypoints.cli import main
from ugclab.weights.catalog import CATALOG, ModelFile
from ugclab.weights.fetch import sha256_of

BOUND, FREE = "insightface/inswapper_128.onnx", "mediapipe/face_landmark.tflite"


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every model file of the catalogue, small and made here, in a folder; nothing else can be asked."""
    for name, file in list(CATALOG.items()):
        path = tmp_path / "mirror" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode() * 9)
        changes = {"size_bytes": path.stat().st_size, "sha256": sha256_of(path), "sources": ()}
        monkeypatch.setitem(CATALOG, name, ModelFile.model_validate(file.model_dump() | changes))
    monkeypatch.setenv("UGCLAB_WEIGHTS_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setenv("UGCLAB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("UGCLAB_OFFLINE", raising=False)
    return tmp_path / "cache/weights"


def call(*words: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(["models", *words])
    return int(left.value.code or 0)


def test_refused_without_a_word(mirror: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("pull", "inswapper") == 42
    said = capsys.readouterr().err
    assert "non-commercial research purposes only" in said
    assert "ugclab models pull inswapper --accept-licence" in said
    assert not mirror.exists()


def test_accepted_on_the_command_line(mirror: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("pull", "inswapper", "--accept-licence", "--quiet") == 0
    assert (mirror / BOUND).exists()
    assert (mirror / FREE).exists()
    assert call("verify", "inswapper") == 0
    assert call("pull", "inswapper") == 0, capsys.readouterr().err  # what is here needs no further word


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 42), ("\n", 42)])
def test_asked_at_a_terminal(
    answer: str, code: int, mirror: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(models, "_at_a_terminal", lambda: True)
    monkeypatch.setattr(sys, "stdin", __import__("io").StringIO(answer))
    assert call("pull", "inswapper", "--quiet") == code
    said = capsys.readouterr().err
    assert "non-commercial research purposes only" in said
    assert "Do you accept that?" in said
    assert (mirror / BOUND).exists() == (code == 0)


def test_all_that_engines_use_leaves_out_what_must_be_accepted(mirror: Path) -> None:
    assert call("pull", "--quiet") == 0
    assert (mirror / FREE).exists()
    assert not (mirror / BOUND).exists()
    assert call("verify") == 0


def test_carried_over_by_an_archive(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = tmp_path / "models.tar"
    assert call("export", str(archive), "mesh") == 40
    assert call("pull", "inswapper", "mesh", "--accept-licence", "--quiet") == 0
    capsys.readouterr()
    assert call("export", str(archive), "inswapper", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["sha256"] == sha256_of(archive)
    assert {file["name"] for file in told["files"] if file["terms"]} == {BOUND, "insightface/w600k_r50.onnx"}

    monkeypatch.setenv("UGCLAB_CACHE_DIR", str(tmp_path / "over there"))
    monkeypatch.setenv("UGCLAB_OFFLINE", "1")
    monkeypatch.delenv("UGCLAB_WEIGHTS_MIRROR")
    assert call("import", str(archive)) == 42
    assert call("import", str(archive), "--accept-licence") == 0
    assert call("verify", "inswapper") == 0

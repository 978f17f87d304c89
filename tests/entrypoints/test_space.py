"""`ugclab space`: a folder whose parts are what the Hub reads, and whose page starts."""

import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from tests.entrypoints.ui.conftest import free_port
from tests.test_docs import pins
from ugclab.entrypoints.cli import main
from ugclab.entrypoints.space import SHORT_DESCRIPTION
from ugclab.settings import Settings

KEYS = {
    *("title", "emoji", "colorFrom", "colorTo", "sdk", "sdk_version", "python_version", "app_file", "fullWidth"),
    *("pinned", "license", "suggested_hardware", "short_description", "tags"),
}
"""Of the Hub's reference; it ignores what it does not know, and a misspelt key would be missing in silence."""
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}


def call(*words: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(["space", *words])
    return int(left.value.code or 0)


def front_matter(folder: Path) -> dict[str, Any]:
    text = (folder / "README.md").read_text()
    assert text.startswith("---\n")
    found = yaml.safe_load(text.split("---\n")[1])
    assert isinstance(found, dict)
    return found


def required(folder: Path) -> list[str]:
    lines = (folder / "requirements.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_what_the_hub_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(str(tmp_path / "space"), "--title", "It's: a 'demo'") == 0
    said = capsys.readouterr().out
    folder = tmp_path / "space"
    matter = front_matter(folder)
    assert set(matter) == KEYS
    assert matter["title"] == "It's: a 'demo'"
    assert (matter["sdk"], matter["sdk_version"]) == ("gradio", pins("app")["gradio"])
    assert matter["python_version"] == "3.11"
    assert {matter["colorFrom"], matter["colorTo"]} <= COLOURS
    assert (folder / matter["app_file"]).is_file()
    assert len(SHORT_DESCRIPTION) <= 60
    assert sorted(p.name for p in folder.iterdir()) == sorted(
        ["README.md", "app.py", "requirements.txt", ".gitattributes", "LICENSE", "NOTICE", "ugclab"]
    )
    assert all(path.name in said for path in folder.iterdir())
    assert not list(folder.rglob("__pycache__"))
    assert "Apache License" in (folder / "LICENSE").read_text()
    assert {Requirement(line).name: str(Requirement(line).specifier)[2:] for line in required(folder)} == pins("app")


def test_binary_files_go_the_hubs_way(tmp_path: Path) -> None:
    call(str(tmp_path / "space"))
    tracked = re.findall(r"^\*\.(\w+) filter=lfs", (tmp_path / "space/.gitattributes").read_text(), re.M)
    for path in (tmp_path / "space").rglob("*"):
        if path.is_file() and b"\0" in path.read_bytes()[:8192]:
            assert path.suffix[1:] in tracked, path


def test_settings_that_are_named_exist(tmp_path: Path) -> None:
    call(str(tmp_path / "space"), "--engine-url", "https://gpu.example.com", "--engine-kind", "runpod")
    text = (tmp_path / "space/README.md").read_text() + (tmp_path / "space/app.py").read_text()
    named = {name for name in re.findall(r"UGCLAB_([A-Z0-9_]+)", text) if not name.startswith("REMOTE_")}
    assert named <= {name.upper() for name in Settings.model_fields}
    assert 'os.environ.setdefault("UGCLAB_REMOTE_URL", "https://gpu.example.com")' in text
    assert 'os.environ.setdefault("UGCLAB_REMOTE_KIND", "runpod")' in text
    assert "https://gpu.example.com" in (tmp_path / "space/README.md").read_text()


def test_ugclab_from_an_address(tmp_path: Path) -> None:
    package = "ugclab[ui] @ git+https://example.com/team/ugclab@v0.1.0"
    assert call(str(tmp_path / "space"), "--package", package) == 0
    assert required(tmp_path / "space")[0] == package
    assert not (tmp_path / "space/ugclab").exists()


def test_a_folder_of_others_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "space"
    (folder / ".git").mkdir(parents=True)
    assert call(str(folder)) == 0, "an empty clone is what one starts with"
    (folder / "mine.txt").write_text("kept")
    (folder / "ugclab/gone.py").touch()
    assert call(str(folder)) == 10
    assert call(str(folder), "--force", "--title", "other") == 0
    assert front_matter(folder)["title"] == "other"
    assert (folder / "mine.txt").read_text() == "kept"
    assert not (folder / "ugclab/gone.py").exists(), "what the package no longer has"


@pytest.mark.parametrize(
    "words",
    [
        ("--engine-url", "http://gpu.example.com"),
        ("--engine-url", 'https://x"; import evil; "'),
        ("--engine-url", "https://x/\nimport evil"),
        ("--title", "two\nlines"),
        ("--package", "ugclab @ git+https://example.com/x"),
        ("--package", "other[ui]==1"),
        ("--package", "ugclab[ui]==1\nevil==2"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(words: tuple[str, str], tmp_path: Path) -> None:
    assert call(str(tmp_path / "space"), *words) == 10
    assert not (tmp_path / "space").exists()


@pytest.mark.slow
def test_its_page_starts_from_the_folder_alone(tmp_path: Path) -> None:
    """As the Hub does it: `python app.py` in the folder, with what requirements.txt names installed."""
    pytest.importorskip("gradio", reason="extra 'ui' is not installed")
    call(str(tmp_path / "space"))
    source = tmp_path / "space/ugclab/entrypoints/ui/workbench.py"
    source.write_text(source.read_text().replace("ugclab is on", "the Space is on"))
    port, said = free_port(), tmp_path / "log"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("UGCLAB_", "PYTHONPATH"))}
    given = {"UGCLAB_PORT": str(port), "UGCLAB_DATA_DIR": str(tmp_path / "data"), "UGCLAB_HOST": "127.0.0.1"}
    with said.open("wb") as log:
        words = [sys.executable, "app.py"]
        page = subprocess.Popen(words, cwd=tmp_path / "space", env=kept | given, stdout=log, stderr=log)
    try:
        end = time.monotonic() + 60
        while not (_answers(port) and re.search(r"worker \d+ started", said.read_text())):
            assert page.poll() is None, said.read_text()
            assert time.monotonic() < end, said.read_text()
            time.sleep(0.1)
        assert "the Space is on" in said.read_text(), "another ugclab was imported than the folder's"
    finally:
        page.terminate()
        page.wait(60)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.mark.slow
def test_its_requirements_can_be_met(tmp_path: Path) -> None:
    """By pip's resolver, in an empty environment, from the index that is configured here."""
    call(str(tmp_path / "space"))
    words = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
    done = subprocess.run(
        [*words, "--disable-pip-version-check", "--requirement", str(tmp_path / "space/requirements.txt")],
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr

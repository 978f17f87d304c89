"""The notebooks that measure: thin, with their outputs, naming no machine's folders, and they run."""

import ast
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
COST, ENGINES = FOLDER / "02_cost_and_latency.ipynb", FOLDER / "03_compare_engines.ipynb"
NOTEBOOKS = pytest.mark.parametrize("path", [COST, ENGINES], ids=lambda path: path.stem)


def document(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read


def code(path: Path) -> list[dict[str, Any]]:
    return [cell for cell in document(path)["cells"] if cell["cell_type"] == "code"]


@NOTEBOOKS
def test_it_is_thin(path: Path) -> None:
    for source in ("".join(cell["source"]) for cell in code(path)):
        assert not source.lstrip().startswith(("!", "%"))
        assert len(source.splitlines()) <= 14
        for node in ast.walk(ast.parse(source)):
            assert not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda)


@NOTEBOOKS
def test_its_outputs_are_committed_and_name_no_folder(path: Path) -> None:
    assert all(cell["outputs"] for cell in code(path)[1:])
    assert not re.search(r"/(home|root|Users|tmp)/|Traceback|stderr", json.dumps(document(path)))
    assert path.stat().st_size < 1_000_000


def test_they_show_what_they_are_for() -> None:
    cost, engines = (
        json.dumps([cell["outputs"] for cell in code(path)], ensure_ascii=False) for path in (COST, ENGINES)
    )
    assert cost.count('"image/png": "') == 2
    assert "plain transcode" in cost
    assert engines.count('"image/jpeg": "') == 1
    for word in ("| mesh | face |", "identity", "jitter", "| person |", "| lips |", "assumed"):
        assert word in engines, word


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of the kernel's own packages
@NOTEBOOKS
def test_it_runs(path: Path, tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat", reason="extra 'notebooks' is not installed")
    nbclient = pytest.importorskip("nbclient", reason="extra 'notebooks' is not installed")
    pytest.importorskip("ipykernel", reason="extra 'notebooks' is not installed")
    pytest.importorskip("matplotlib", reason="extra 'bench' is not installed")
    pytest.importorskip("dlib", reason="extra 'quality' is not installed")
    notebook = nbformat.read(path, as_version=4)
    environment = {**os.environ, "PYTHONPATH": str(path.parents[1]), "UGCLAB_DATA_DIR": str(tmp_path)}
    resources = {"metadata": {"path": str(path.parent)}}
    nbclient.NotebookClient(notebook, timeout=100, kernel_name="python3", resources=resources).execute(env=environment)
    assert all(cell.get("execution_count") for cell in notebook.cells if cell.cell_type == "code")

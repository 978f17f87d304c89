"""The notebooks that measure: thin, with their outputs, naming no machine's folders, and they run."""

import ast
import json
import os
import re
from pathlib import Path

import pytest

PATH = Path(__file__).parents[1] / "notebooks" / "02_cost_and_latency.ipynb"
NOTEBOOK = json.loads(PATH.read_text(encoding="utf-8"))
CODE = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]


def test_it_is_thin() -> None:
    for source in ("".join(cell["source"]) for cell in CODE):
        assert not source.lstrip().startswith(("!", "%"))
        assert len(source.splitlines()) <= 14
        for node in ast.walk(ast.parse(source)):
            assert not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda)


def test_its_outputs_are_committed_and_name_no_folder() -> None:
    assert all(cell["outputs"] for cell in CODE[1:])
    text = json.dumps([cell["outputs"] for cell in CODE], ensure_ascii=False)
    assert text.count('"image/png": "') == 2
    assert "plain transcode" in text
    assert not re.search(r"/(home|root|Users|tmp)/|Traceback|stderr", json.dumps(NOTEBOOK))
    assert PATH.stat().st_size < 1_000_000


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of the kernel's own packages
def test_it_runs(tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat", reason="extra 'notebooks' is not installed")
    nbclient = pytest.importorskip("nbclient", reason="extra 'notebooks' is not installed")
    pytest.importorskip("ipykernel", reason="extra 'notebooks' is not installed")
    pytest.importorskip("matplotlib", reason="extra 'bench' is not installed")
    notebook = nbformat.read(PATH, as_version=4)
    environment = {**os.environ, "PYTHONPATH": str(PATH.parents[1]), "UGCLAB_DATA_DIR": str(tmp_path)}
    resources = {"metadata": {"path": str(PATH.parent)}}
    nbclient.NotebookClient(notebook, timeout=100, kernel_name="python3", resources=resources).execute(env=environment)
    assert all(cell.get("execution_count") for cell in notebook.cells if cell.cell_type == "code")

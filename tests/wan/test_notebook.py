"""The notebook: thin, with its outputs, and it runs."""

import ast
import json
import os
import re
from pathlib import Path

import pytest

PATH = Path(__file__).parents[2] / "notebooks" / "01_validate_wan22_commands.ipynb"
NOTEBOOK = json.loads(PATH.read_text(encoding="utf-8"))
CODE = ["".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]


def test_it_is_thin() -> None:
    for source in CODE:
        assert not source.lstrip().startswith(("!", "%"))
        assert len(source.splitlines()) <= 14
        for node in ast.walk(ast.parse(source)):
            assert not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda)


def test_its_outputs_are_committed_and_name_no_machine() -> None:
    outputs = [cell["outputs"] for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
    assert all(outputs[1:])
    text = json.dumps(NOTEBOOK, ensure_ascii=False)
    assert "model" in text
    assert not re.search(r"/(home|root|Users|tmp)/|Traceback|stderr", text)


def test_it_shows_six_mistakes_with_their_price() -> None:
    shown = json.dumps(NOTEBOOK, ensure_ascii=False)
    assert all(f" {code} " in shown for code in ("T1", "T2", "T7", "T10", "T16", "T20"))


@pytest.mark.filterwarnings("default")  # of the kernel's own packages
def test_it_runs() -> None:
    nbformat = pytest.importorskip("nbformat", reason="extra 'notebooks' is not installed")
    nbclient = pytest.importorskip("nbclient", reason="extra 'notebooks' is not installed")
    pytest.importorskip("ipykernel", reason="extra 'notebooks' is not installed")
    notebook = nbformat.read(PATH, as_version=4)
    environment = {**os.environ, "PYTHONPATH": str(PATH.parents[1])}
    client = nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3")
    client.execute(env=environment)
    assert all(cell.get("execution_count") for cell in notebook.cells if cell.cell_type == "code")

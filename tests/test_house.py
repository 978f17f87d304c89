"""The house rules that a machine can hold: directions of imports, no globals, light imports, documented names."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from ugclab.engines.registry import catalogue

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "ugclab"
FILES = sorted(PACKAGE.rglob("*.py"))

FLOORS = (
    {"errors", "settings"},
    {"schema"},
    {"media", "net"},
    {"storage"},
    {"weights"},
    {"wan"},
    {"engines"},
    {"pipeline"},
    {"jobs", "bench"},
    {"entrypoints"},
)
"""From the ground up: a module imports from its own floor and those below."""
DOORS = {"__init__", "__main__", "sample"}  # the package's face: they stand outside the floors

HEAVY = {
    "torch",
    "gradio",
    "pandas",
    "ai_edge_litert",
    "onnx",
    "onnxruntime",
    "diffusers",
    "transformers",
    "matplotlib",
    "skimage",
    "boto3",
    "dbos",
    "pyairtable",
    "requests",
    "runpod",
}
LONGEST = 350


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def floor(name: str) -> int | None:
    return next((i for i, rooms in enumerate(FLOORS) if name in rooms), None)


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        if node.module == "ugclab":
            return [f"ugclab.{alias.name}" for alias in node.names]
        return [node.module or ""]
    return []


def at_import_time(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run when a module is imported: not those of functions, nor of `if TYPE_CHECKING`."""
    for node in body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        yield node
        for field in ("body", "orelse", "finalbody", "handlers"):
            yield from at_import_time([n for n in getattr(node, field, []) if isinstance(n, ast.stmt)])


@pytest.mark.parametrize("path", FILES, ids=place)
def test_imports_look_down(path: Path) -> None:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    if parts[0] in DOORS:
        return
    own = floor(parts[0])
    assert own is not None, f"{place(path)} is in a room without a floor: add it to FLOORS"
    for node in ast.walk(tree(path)):
        for name in imported(node):
            if name.startswith("ugclab.") and room(name) not in DOORS:
                below = floor(room(name))
                assert below is not None, name
                assert below <= own, f"{place(path)} imports {name}, which lies above it"


@pytest.mark.parametrize("path", FILES, ids=place)
def test_no_globals_no_exits_no_environment(path: Path) -> None:
    top = path.relative_to(PACKAGE).parts[0]
    for node in ast.walk(tree(path)):
        assert not isinstance(node, ast.Global), f"{place(path)}:{getattr(node, 'lineno', 0)} has a global"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            name = f"{node.value.id}.{node.attr}"
            if name in {"sys.exit", "os._exit"}:
                assert top == "entrypoints", f"{place(path)}:{node.lineno} exits"
            reads = name in {"os.environ", "os.getenv", "os.putenv"}
            assert not reads or top == "settings.py", f"{place(path)}:{node.lineno} reads {name}"
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call | ast.Name):
            raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            assert not (isinstance(raised, ast.Name) and raised.id == "SystemExit" and top != "entrypoints"), place(
                path
            )


@pytest.mark.parametrize("path", FILES, ids=place)
def test_nothing_heavy_at_import_time(path: Path) -> None:
    for node in at_import_time(tree(path).body):
        for name in imported(node):
            assert name.split(".")[0] not in HEAVY, f"{place(path)}:{node.lineno} imports {name}"


def test_importing_every_module_imports_nothing_heavy() -> None:
    modules = [".".join(p.relative_to(ROOT).with_suffix("").parts) for p in FILES if p.stem not in DOORS]
    code = (
        f"import sys, importlib\nfor m in {modules!r}: importlib.import_module(m)\nprint({HEAVY!r} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.stdout.strip() == "set()", done.stderr


@pytest.mark.parametrize("path", FILES, ids=place)
def test_public_things_have_docstrings(path: Path) -> None:
    module = tree(path)
    assert ast.get_docstring(module), f"{place(path)} has no docstring"
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{place(path)}:{node.lineno} {node.name}"


@pytest.mark.parametrize("path", FILES, ids=place)
def test_modules_are_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST, f"{place(path)} is two ideas"
    assert path.stem not in {"utils", "core", "helpers", "misc", "common", "http", "runpod"}, "name what it is"


def test_extras_named_by_engines_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for engine in catalogue():
        assert not engine.info.extra or engine.info.extra in extras, engine.info.name


def test_engines_end_with_their_registration() -> None:
    for path in (PACKAGE / "engines").rglob("*.py"):
        for number, node in enumerate(body := tree(path).body):
            if isinstance(node, ast.Assign) and any(
                isinstance(t, ast.Name) and t.id == "ENGINES" for t in node.targets
            ):
                after = [n for n in body[number + 1 :] if not isinstance(n, ast.Expr)]
                assert not after, f"{place(path)}: ENGINES is the last thing in an engine's file"

"""The registry: both ways in, and the sentence of what to type."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engines.tint import Tint
from ugclab.engines import registry
from ugclab.errors import EngineError, EngineNotFound, EngineUnavailable
from ugclab.settings import Settings


def plug(folder: Path, name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    info = folder / f"plugin_{name}-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: plugin-{name}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[ugclab.engines]\n{name} = {value}\n")
    monkeypatch.syspath_prepend(str(folder))
    importlib.invalidate_caches()


@pytest.mark.usefixtures("tint")
def test_a_plugin_is_found_beside_our_own() -> None:
    assert registry.find("tint") is Tint
    names = [engine.info.name for engine in registry.catalogue()]
    assert names == sorted(names)


def test_importing_a_plugin_registers_nothing() -> None:
    assert Tint not in registry.catalogue()


@pytest.mark.usefixtures("tint")
@pytest.mark.parametrize(
    ("name", "hint"), [("tnit", "did you mean 'tint'"), ("TINT", "'tint'"), ("zzzzzz", "there are: ")]
)
def test_an_unknown_name_gets_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(EngineNotFound, match=f"no engine is called '{name}'") as caught:
        registry.find(name)
    assert hint in caught.value.hint


@pytest.mark.usefixtures("tint")
def test_two_of_a_name_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "second_tint.py").write_text(
        "from tests.engines.tint import Tint\nclass Other(Tint): pass\nENGINES = (Other,)\n"
    )
    plug(tmp_path, "second", "second_tint", monkeypatch)
    with pytest.raises(EngineError, match="two engines are called 'tint'"):
        registry.catalogue()


@pytest.mark.parametrize(
    ("source", "message"),
    [("raise RuntimeError('boom')", "cannot be imported: boom"), ("ENGINES = (int,)", "is no face engine")],
)
def test_a_broken_plugin_is_named(source: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = f"broken_{abs(hash(source))}"
    (tmp_path / f"{module}.py").write_text(source)
    plug(tmp_path, "broken", module, monkeypatch)
    with pytest.raises(EngineError, match=message):
        registry.catalogue()


def made(**changes: object) -> registry.Engine:
    return type("Made", (Tint,), {"info": Tint.info.model_copy(update=changes)})


def test_an_engine_without_needs_is_ready(settings: Settings) -> None:
    assert registry.availability(Tint, settings).ready


def test_commercial_only_refuses_what_is_not_cleared(settings: Settings) -> None:
    strict = settings.model_copy(update={"commercial_only": True})
    for answer in ("no", "unknown"):
        with pytest.raises(EngineUnavailable, match="not cleared for commercial use") as caught:
            registry.require(made(commercial_use=answer), strict)
        assert "UGCLAB_COMMERCIAL_ONLY" in caught.value.hint
    registry.require(Tint, strict)


def test_a_missing_extra_says_what_to_type(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["numpy>=2", 'no-such-package>=1; extra == "wan"', 'numpy; extra == "wan"', 'other; extra == "ui"']
    assert registry.missing_packages("wan", lambda name: lines) == ("no-such-package",)
    assert registry.missing_packages("", lambda name: lines) == ()
    monkeypatch.setattr(registry, "missing_packages", lambda extra: ("torch",))
    state = registry.availability(made(extra="wan"), settings)
    assert (state.reason, state.hint) == ("engine 'tint' needs torch", "pip install 'ugclab[wan]'")


def test_missing_model_files_are_fetched_unless_offline(settings: Settings, tmp_path: Path) -> None:
    name = next(iter(registry.CATALOG))
    here = settings.model_copy(update={"cache_dir": tmp_path / "empty"})
    state = registry.availability(made(weights=(name,)), here)
    assert state.ready
    assert state.to_fetch_mb > 0
    state = registry.availability(made(weights=(name,)), here.model_copy(update={"offline": True}))
    assert not state.ready
    assert "ugclab models pull" in state.hint
    assert not registry.availability(made(weights=("no/such.file",)), here).ready


def test_looking_at_engines_imports_nothing_heavy() -> None:
    code = (
        "import sys; from ugclab.engines import registry; registry.catalogue(); "
        "print([m for m in ('torch', 'gradio', 'ai_edge_litert', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

"""Extraction from syntax trees, the packaged snapshot, and what a checkout changed."""

from pathlib import Path

import pytest

from ugclab.errors import InputError
from ugclab.wan.contract import diff, snapshot
from ugclab.wan.extraction import read_contract

GENERATE = """
import argparse, torch
torch.cuda.current_device()
def _validate(args):
    assert args.steps is not None, "steps"
    assert other > 3
def _parse():
    parser = argparse.ArgumentParser()
    group = parser.add_argument_group("sampling")
    parser.add_argument("--task", type=str, default="b", choices=list(WAN_CONFIGS.keys()), help="which" " one")
    parser.add_argument("-n", "--size-of", type=int, nargs=2, default=[4 * 8, -1])
    group.add_argument("--steps", type=float)
    group.add_argument("--fast", action="store_true")
    group.add_argument("--no-slow", dest="slow", action="store_false")
    group.add_argument("--flag", type=str2bool, required=True)
    group.add_argument("--weird", type=lambda text: text)
"""
CONFIGS = "from .a import a_cfg\nWAN_CONFIGS = {'a': a_cfg, 'b': None}\nSUPPORTED_SIZES = {'a': ('1*1', '2*2')}\n"
TASK = "from easydict import EasyDict\na_cfg = EasyDict()\na_cfg.update(shared)\na_cfg.sample_steps = 20\n"
SHARED = "shared = EasyDict()\nshared.frame_num = 81\nshared.dtype = torch.bfloat16\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "wan" / "configs").mkdir(parents=True)
    (tmp_path / "generate.py").write_text(GENERATE)
    (tmp_path / "wan/configs/__init__.py").write_text(CONFIGS)
    (tmp_path / "wan/configs/a.py").write_text(TASK)
    (tmp_path / "wan/configs/shared_config.py").write_text(SHARED)
    return tmp_path


def test_flags_are_read_without_running_anything(checkout: Path) -> None:
    contract = read_contract(checkout)
    flags = {flag.name: flag for flag in contract.generate.flags}
    assert list(flags) == ["task", "size_of", "steps", "fast", "slow", "flag", "weird"]
    assert flags["task"].choices == ("a", "b")
    assert flags["task"].default == "b"
    assert flags["task"].help == "which one"
    assert (flags["size_of"].options, flags["size_of"].nargs) == (("-n", "--size-of"), 2)
    assert flags["size_of"].default == [32, -1]
    assert (flags["fast"].default, flags["slow"].default) == (False, True)
    assert (flags["flag"].kind, flags["flag"].required) == ("bool", True)
    assert flags["weird"].kind == "other"
    assert contract.preprocess is None


def test_rules_and_tasks_are_read(checkout: Path) -> None:
    contract = read_contract(checkout)
    assert [(rule.flags, rule.condition) for rule in contract.generate.rules] == [(("steps",), "steps is not None")]
    task = contract.task("a")
    assert task is not None
    assert (task.sizes, task.defaults) == (("1*1", "2*2"), {"frame_num": 81, "sample_steps": 20})


def test_commit_is_read_from_git_files(checkout: Path) -> None:
    (checkout / ".git").mkdir()
    (checkout / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (checkout / ".git" / "packed-refs").write_text(f"# pack\n{'a' * 40} refs/heads/main\n")
    assert read_contract(checkout).commit == "a" * 40


@pytest.mark.parametrize(
    "text",
    ["def broken(", "x = 1", "parser.add_argument('--a', default=compute())", "parser.add_argument(*names)"],
)
def test_what_cannot_be_read_is_an_input_error(checkout: Path, text: str) -> None:
    (checkout / "generate.py").write_text(text)
    with pytest.raises(InputError):
        read_contract(checkout)


def test_a_folder_without_generate_is_no_checkout(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no checkout"):
        read_contract(tmp_path)


def test_the_snapshot_is_that_of_42bf4cf() -> None:
    contract = snapshot()
    assert contract.commit.startswith("42bf4cf")
    assert contract.preprocess is not None
    assert (len(contract.generate.flags), len(contract.preprocess.flags)) == (35, 13)
    refert, area = contract.generate.flag("refert_num"), contract.preprocess.flag("resolution_area")
    assert refert is not None
    assert refert.default == 77
    assert area is not None
    assert (area.nargs, area.default) == (2, [1280, 720])
    assert any(rule.where == "wan/animate.py:351" for rule in contract.generate.rules)
    animate = contract.task("animate-14B")
    assert animate is not None
    assert animate.sizes == ("720*1280", "1280*720")
    assert (animate.defaults["frame_num"], animate.defaults["sample_fps"]) == (77, 30)


def test_diff_tells_flags_fields_rules_and_tasks(checkout: Path) -> None:
    before = read_contract(checkout)
    (checkout / "generate.py").write_text(
        "\n\n" + GENERATE.replace('"--steps", type=float', '"--steps", type=int').replace("is not None", "> 0")
    )
    (checkout / "wan/configs/a.py").write_text(TASK.replace("20", "30"))
    changes = {(c.script, c.subject, c.what, c.field, c.before, c.after) for c in diff(before, read_contract(checkout))}
    assert changes == {
        ("generate", "steps", "changed", "kind", "float", "int"),
        ("generate rule", "steps is not None", "removed", "", None, None),
        ("generate rule", "steps > 0", "added", "", None, None),
        ("task", "a", "changed", "sample_steps", 20, 30),
    }
    assert diff(before, before) == ()

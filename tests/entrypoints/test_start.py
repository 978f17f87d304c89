"""One image, several modes."""

import importlib.util
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from ugclab.entrypoints.start import MODES, command, run
from ugclab.errors import InputError


@pytest.mark.parametrize("mode", MODES)
def test_a_mode_becomes_its_program(mode: str) -> None:
    became: list[tuple[str, list[str]]] = []
    run(mode, ["--port", "1"], lambda program, words: became.append((program, words)))
    ((program, words),) = became
    assert program == words[0] == sys.executable
    assert words[1] == "-m"
    assert importlib.util.find_spec(words[2]) is not None
    assert words[-2:] == ["--port", "1"]


@pytest.mark.parametrize(("mode", "said"), [("", "no mode is set"), ("server", "'server' is no mode")])
def test_an_unknown_mode_says_which_there_are(mode: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as found:
        command(mode, [])
    assert all(known in found.value.hint for known in MODES)


@pytest.mark.parametrize(
    ("mode", "code", "said"), [("nothing", 10, "is no mode"), ("worker", 0, "Usage: ugclab worker")]
)
def test_the_command_execs_it(mode: str, code: int, said: str) -> None:
    surroundings = os.environ | {"UGCLAB_MODE": mode, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "TERM": "dumb"}
    done = subprocess.run(
        [sys.executable, "-m", "ugclab", "start", "--", "--help"],
        capture_output=True,
        text=True,
        env=surroundings,
        check=False,
    )
    assert done.returncode == code
    assert said in done.stdout + done.stderr

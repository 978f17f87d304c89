"""What a list of words starts: which Wan2.2 script, with which arguments, by which launcher."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal

ScriptName = Literal["generate", "preprocess"]

SCRIPTS: dict[str, ScriptName] = {"generate.py": "generate", "preprocess_data.py": "preprocess"}
"""The file names of the scripts."""
_PREPROCESS_ONLY = {"--video_path", "--refer_path", "--save_path", "--ckpt_path", "--resolution_area", "--fps"}
_PYTHON = re.compile(r"(python|pypy|ipython)[\d.]*(\.exe)?$")
_DISTRIBUTED_MODULE = re.compile(r"torch\.distributed\.(run|launch)$")
_PROCESSES = {"--nproc_per_node", "--num_processes", "--num_gpus"}


@dataclass(frozen=True)
class Launcher:
    """How a script is started. `processes` is None where only running would tell (`auto`, `$GPUS`)."""

    program: str = "python"
    distributed: bool = False
    processes: int | None = 1
    as_module: bool = False


@dataclass(frozen=True)
class FoundCommand:
    """A command as it stands in a text: the script it runs and the words behind the script's name."""

    script: ScriptName
    argv: tuple[str, ...]
    launcher: Launcher = Launcher()
    where: str = ""
    environment: dict[str, str] = field(default_factory=dict)


def recognise(words: Sequence[str]) -> FoundCommand | None:
    """The Wan2.2 command in a list of words; None where there is none. Only flags are a command too."""
    if words and words[0].startswith("--"):
        script: ScriptName = "preprocess" if {w.partition("=")[0] for w in words} & _PREPROCESS_ONLY else "generate"
        return FoundCommand(script, tuple(words))
    for index, word in enumerate(words):
        named = SCRIPTS.get(PurePosixPath(word.replace("\\", "/")).name)
        module = index > 0 and words[index - 1] == "-m"
        if named is None and module:
            named = SCRIPTS.get(word.rpartition(".")[2] + ".py")
        if named is None:
            continue
        launcher = _launcher(words[:index], as_module=module)
        if launcher is not None:
            return FoundCommand(named, tuple(words[index + 1 :]), launcher)
    return None


def _launcher(before: Sequence[str], *, as_module: bool) -> Launcher | None:
    """How the words before a script start it; None where they do something else with the file (cp, git add, cat)."""
    if not before:
        return Launcher()
    first = next((i for i, word in enumerate(before) if starts_programs(word)), None)
    if first is None or any(word == "-c" or word.endswith(".py") for word in before[first:]):
        return None
    words = before[first:]
    program = PurePosixPath(words[0]).name
    distributed = program in {"torchrun", "accelerate", "deepspeed"} or any(
        _DISTRIBUTED_MODULE.match(word) for word in words
    )
    processes: int | None = 1
    for i, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name.replace("-", "_").replace("__", "--", 1) in _PROCESSES:
            text = value if equals else (words[i + 1] if i + 1 < len(words) else "")
            processes = int(text) if text.isdecimal() else None
    for i, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name == "--nnodes" and processes is not None:
            text = value if equals else (words[i + 1] if i + 1 < len(words) else "")
            processes = processes * int(text) if text.isdecimal() else None
    return Launcher(program, distributed, processes, as_module)


def starts_programs(word: str) -> bool:
    """Whether a word is a program that runs Python files."""
    name = PurePosixPath(word.replace("\\", "/")).name
    return bool(_PYTHON.match(name)) or name in {"torchrun", "accelerate", "deepspeed", "%run"}

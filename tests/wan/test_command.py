"""Built pairs are right by the checks, whatever the paths are called, and refuse what could not run."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wan.media import write_mp4, write_streams
from ugclab import wan
from ugclab.errors import InputError
from ugclab.wan.arithmetic import find_gpu

USUAL: dict[str, Any] = {
    "video": "in.mp4",
    "avatar": "me.png",
    "checkpoint": "./Wan2.2-Animate-14B/",
    "work": "work/one",
    "output": "result.mp4",
}


@pytest.mark.parametrize("gpus", [1, 2, 4, 5, 8, 10, 20, 40])
@pytest.mark.parametrize("mode", ["replace", "animate"])
@pytest.mark.parametrize("area", [(1280, 720), (832, 480), (512, 512)])
def test_built_pairs_are_right(mode: Any, gpus: int, area: tuple[int, int], tmp_path: Path) -> None:
    pair = wan.build(mode, **USUAL, area=area, gpus=gpus, seed=4, steps=20)
    problems = wan.check(pair.shell(), base=tmp_path)
    assert wan.exit_code(problems) == 0, problems
    found = wan.find_commands(pair.shell())
    assert [(c.script, c.launcher.processes) for c in found] == [("preprocess", 1), ("generate", gpus)]
    assert ("--replace_flag" in pair.preprocess) == ("--replace_flag" in pair.generate) == (mode == "replace")


@given(st.text(min_size=1, max_size=20).filter(lambda text: "\0" not in text and "$" not in text))
def test_any_path_is_quoted(name: str) -> None:
    pair = wan.build("replace", **{**USUAL, "video": f"v/{name}", "work": f"w/{name}", "output": "r.mp4"})
    preprocess, generate = wan.find_commands(pair.shell())
    assert preprocess.argv == pair.preprocess[2:]
    assert generate.argv == pair.generate[2:]


def test_memory_decides_about_the_text_encoder() -> None:
    assert "--t5_cpu" in wan.build("replace", **USUAL, area=(832, 480), gpu=find_gpu("A40")).generate
    assert "--t5_cpu" not in wan.build("replace", **USUAL, gpu=find_gpu("H100")).generate
    with pytest.raises(InputError, match="60 GB are needed"):
        wan.build("replace", **USUAL, gpu=find_gpu("A40"))
    assert "--ulysses_size" in wan.build("replace", **USUAL, gpu=find_gpu("A40"), gpus=4).generate


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"gpus": 3}, "3 GPUs cannot share 40 heads"),
        ({"gpus": 0}, "0 GPUs"),
        ({"area": (0, 720)}, "too small"),
        ({"clip_length": 80}, "80 frames"),
        ({"clip_length": 5, "overlap": 5}, "5 frames"),
    ],
)
def test_what_cannot_run_is_refused(wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError, match=text):
        wan.build("replace", **USUAL, **wrong)


def test_the_source_is_looked_at(tmp_path: Path) -> None:
    video = str(write_mp4(tmp_path / "in.mp4", frames=150, size=(1080, 1920)))
    pair = wan.build("replace", **{**USUAL, "video": video}, area=(832, 480))
    assert "becomes 464x832 with 8 px of black; 150 frames make 2 clips of 77 (3 frames" in pair.reasons[0]
    with pytest.raises(InputError, match="31668 tokens a clip at 464x832 do not divide by 8"):
        wan.build("replace", **{**USUAL, "video": video}, area=(832, 480), gpus=8)
    short = str(write_mp4(tmp_path / "short.mp4", frames=1))
    with pytest.raises(InputError, match="1 frames"):
        wan.build("replace", **{**USUAL, "video": short})


def test_a_built_pair_is_right_with_its_files_there(tmp_path: Path) -> None:
    write_mp4(tmp_path / "in.mp4")
    pair = wan.build("replace", **USUAL)
    write_streams(tmp_path / "work" / "one")
    assert {p.id for p in wan.check(" ".join(pair.generate), base=tmp_path)} == {"T0", "T5", "T6"}

"""Commands corrected as their findings say: what is certain is put in, the rest is left, and all is checked again."""

import builtins
import os
from pathlib import Path

import pytest

from ugclab.wan.checks.trap import Surroundings
from ugclab.wan.command import build
from ugclab.wan.contract import snapshot
from ugclab.wan.correcting import Corrected, correct
from ugclab.wan.problems import Severity
from ugclab.wan.reading import commands_of

AROUND = Surroundings(contract=snapshot(), base=None)
GENERATE = (
    "python generate.py --task animate-14B --ckpt_dir ./ckpt --src_root_path ./streams --save_file a.mp4 --refert_num 1"
)
SCRIPT = "wan/modules/animate/preprocess/preprocess_data.py"
MODULE = SCRIPT.removesuffix(".py").replace("/", ".")
PREPROCESS = (
    f"python {SCRIPT} --ckpt_path ./ckpt/process_checkpoint "
    "--video_path a.mp4 --refer_path b.png --save_path ./streams --resolution_area 1280 720"
)


def corrected(text: str) -> Corrected:
    return correct(commands_of(text), AROUND)


def worse_than_a_note(found: Corrected) -> list[str]:
    return [p.id for p in found.left if p.severity is not Severity.NOTE]


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        (f"{GENERATE} --replace_flag True", "--replace_flag"),
        (f"{GENERATE} --replace_flag=True", "--replace_flag"),
        (f"{GENERATE} —replace_flag", "--replace_flag"),
        (f"{GENERATE} --sample_steps 4", "--sample_steps 20"),
        (f"{GENERATE} --frame_num 80", "--frame_num 81"),
        (f"{GENERATE} --ulysses_size 8 --dit_fsdp --t5_fsdp", "torchrun --nproc_per_node=8 generate.py"),
        (GENERATE.replace("refert_num 1", "refert_num 7"), "--refert_num 1"),
        (GENERATE.replace("--task animate-14B", "--task animate-14b"), "--task animate-14B"),
        (GENERATE.replace("--task", "--tsk"), "--task animate-14B"),
        (GENERATE.replace("a.mp4", "a.webm"), "--save_file a.mp4"),
        (GENERATE.replace("./ckpt", "./ckpt/process_checkpoint"), "--ckpt_dir ckpt"),
        (GENERATE.replace("./streams", "./streams/src_pose.mp4"), "--src_root_path streams"),
        (f"{PREPROCESS} --fps 16", "--fps 30"),
        (f"{PREPROCESS} --replace_flag --iterations 0", "--iterations 3"),
        (PREPROCESS.replace(SCRIPT, f"-m {MODULE}"), SCRIPT),
        (f"{PREPROCESS} --fps 24 --fps 30", "--fps 30"),
    ],
)  # fmt: skip
def test_what_a_finding_asks_for_is_put_in(wrong: str, right: str) -> None:
    found = corrected(wrong)
    assert worse_than_a_note(found) == []
    assert right in " ".join(found.commands[0].replace("\\\n", " ").split())
    again = corrected(found.commands[0])
    assert again.commands == found.commands
    assert again.done == ()


def test_a_switch_that_was_said_to_be_off_goes() -> None:
    found = corrected(f"{GENERATE} --replace_flag False")
    assert "--replace_flag" not in found.commands[0]


def test_what_only_the_person_knows_is_left() -> None:
    found = corrected(
        "python generate.py --task animate-14B --src_root_path ./streams --refert_num 1 --save_file a.mp4"
    )
    assert found.done == ()
    assert worse_than_a_note(found) == ["U1"]
    both = corrected(f"{GENERATE} --use_relighting_lora")
    assert both.done == ()
    assert "T9" in worse_than_a_note(both)


def test_of_a_pair_the_command_that_lacks_the_flag_gets_it() -> None:
    found = corrected(f"{PREPROCESS}\n{GENERATE} --replace_flag")
    assert "--replace_flag" in found.commands[0]
    assert worse_than_a_note(found) == []


def test_variables_and_quotes_stay_what_they_are() -> None:
    found = corrected(
        'CUDA_VISIBLE_DEVICES=0 python generate.py --task animate-14B --ckpt_dir "$CKPT/a b" '
        "--src_root_path ./streams --refert_num 1 --save_file 'my result.mov' --sample_steps 4"
    )
    assert found.commands[0].startswith("CUDA_VISIBLE_DEVICES=0 python generate.py")
    assert '--ckpt_dir "${CKPT}/a b"' in found.commands[0]
    assert "--save_file 'my result.mov'" in found.commands[0]
    again = commands_of(found.commands[0])
    assert "my result.mov" in again[0].argv


@pytest.mark.parametrize("gpus", [1, 4])
def test_what_was_built_needs_no_correction(gpus: int) -> None:
    pair = build("replace", video="a.mp4", avatar="b.png", checkpoint="ckpt", work="w", output="o.mp4", gpus=gpus)
    found = corrected(pair.shell())
    assert found.done == ()
    assert worse_than_a_note(found) == []


def test_without_a_base_no_file_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("src_pose.mp4", "src_face.mp4", "src_bg.mp4", "src_mask.mp4"):
        (tmp_path / name).write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    text = f"{PREPROCESS.replace('./streams', str(tmp_path))}\n{GENERATE.replace('./streams', str(tmp_path))}"
    looked = Surroundings(contract=snapshot(), base=tmp_path)
    assert "T30" in {p.id for p in correct(commands_of(text), looked).left}
    asked: list[object] = []

    def note(path: object, *args: object, **more: object) -> None:
        asked.append(path)
        raise AssertionError(path)

    monkeypatch.setattr(os, "stat", note)
    monkeypatch.setattr(builtins, "open", note)
    found = correct(commands_of(text), AROUND)
    build("replace", video="a.mp4", avatar="b.png", checkpoint="c", work="w", output="o.mp4", look=False)
    monkeypatch.undo()
    assert asked == []
    assert "T30" not in {p.id for p in found.left}

"""Every trap that can be decided: a command, folder or environment that has it, and one that has not."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.wan.media import write_environment, write_heic, write_mp4, write_png, write_streams
from ugclab import wan
from ugclab.wan.arithmetic import find_gpu
from ugclab.wan.checks import TRAPS
from ugclab.wan.environment import read_environment
from ugclab.wan.problems import ORDER, Severity

PREPROCESS = "python wan/modules/animate/preprocess/preprocess_data.py --ckpt_path m/process_checkpoint "
ANIMATED = PREPROCESS + "--video_path in.mp4 --refer_path me.png --save_path w "
REPLACED = ANIMATED + "--replace_flag "
ANIMATE = "python generate.py --task animate-14B --ckpt_dir m --src_root_path w --refert_num 1 "
REPLACE = ANIMATE + "--replace_flag --use_relighting_lora "
EIGHT = "torchrun --nproc_per_node=8 generate.py --task animate-14B --ckpt_dir m --src_root_path w --refert_num 1 "
SHARED = "--dit_fsdp --t5_fsdp --ulysses_size 8 "
T2V = "python generate.py --task t2v-A14B --ckpt_dir t --prompt cats "
PACKAGES = {
    "flash-attn": "2.7.4",
    "librosa": "0.10",
    "decord": "0.6.0",
    "einops": "0.8.1",
    "moviepy": "1.0.3",
    "transformers": "4.51.3",
    "peft": "0.17.1",
    "onnxruntime-gpu": "1.20",
    "imageio-ffmpeg": "0.6",
    "sam-2": "1.0",
}
YAML = "sam2/sam2_hiera_l.yaml"


def found(problems: list[wan.Problem]) -> dict[str, Severity]:
    """The worst severity of each id."""
    return {problem.id: problem.severity for problem in sorted(problems, key=lambda p: -ORDER[p.severity])}


class Case(NamedTuple):
    id: str
    severity: str
    bad: str
    good: str


COMMANDS = [
    Case("T0", "note", REPLACE, ANIMATE),
    Case("T0", "note", REPLACED, ANIMATED),
    Case("T1", "error", ANIMATE.replace("--refert_num 1 ", ""), ANIMATE),
    Case("T1", "error", ANIMATE.replace("--refert_num 1", "--refert_num 4"), ANIMATE.replace("num 1", "num 5")),
    Case("T2", "error", "python generate.py --ckpt_dir m --src_root_path w --replace_flag", REPLACE),
    Case("T2", "error", "python generate.py --ckpt_dir ./Wan2.2-Animate-14B --prompt x", T2V),
    Case("T2", "error", T2V + "--replace_flag", T2V),
    Case("T3", "warning", ANIMATE + "--prompt 'a man'", ANIMATE),
    Case("T3", "error", ANIMATE + "--use_prompt_extend", T2V + "--use_prompt_extend"),
    Case("T4", "error", ANIMATE + "--size 832*480", ANIMATE),
    Case("T4", "note", ANIMATE + "--size '720*1280'", ANIMATE),
    Case("T4", "error", T2V + "--size 1024*704", T2V + "--size 832*480"),
    Case("T4", "warning", ANIMATED + "--resolution_area 832 480 && " + ANIMATE + "--size 1280*720", ANIMATED),
    Case("T5", "note", ANIMATE, T2V),
    Case("T5", "warning", ANIMATED + "--fps 16", ANIMATED + "--fps 30"),
    Case("T5", "warning", ANIMATED + "--fps -1", ANIMATED),
    Case("T5", "error", ANIMATED + "--fps 0", ANIMATED),
    Case("T6", "note", ANIMATE, T2V),
    Case("T7", "error", REPLACED + "\n" + ANIMATE, REPLACED + "\n" + REPLACE),
    Case("T8", "error", ANIMATED + "\n" + REPLACE, ANIMATED + "\n" + ANIMATE),
    Case("T9", "warning", ANIMATE + "--use_relighting_lora", REPLACE),
    Case("T10", "error", ANIMATE + "--save_file out/result", ANIMATE + "--save_file result.mp4"),
    Case("T10", "error", ANIMATE + "--save_file result.webm", ANIMATE + "--save_file result.MP4"),
    Case("T11", "note", ANIMATE, ANIMATE + "--save_file result.mp4"),
    Case("T12", "note", REPLACED, REPLACED + "--w_len 10 --h_len 20"),
    Case("T12", "warning", REPLACED + "--iterations 0 --w_len 4", REPLACED + "--iterations 2 --w_len 4"),
    Case("T12", "error", REPLACED + "--w_len 0", ANIMATED),
    Case("T12", "error", REPLACED + "--k -7", ANIMATED),
    Case("T16", "error", ANIMATE + "--frame_num 80", ANIMATE + "--frame_num 81"),
    Case("T16", "error", ANIMATE + "--frame_num 78", ANIMATE + "--frame_num 61"),
    Case("T16", "error", REPLACE + "--frame_num 78", REPLACE + "--frame_num 61"),
    Case("T16", "error", ANIMATE + "--frame_num 1", ANIMATE + "--frame_num 5"),
    Case("T16", "error", ANIMATE.replace("num 1", "num 5") + "--frame_num 5", ANIMATE + "--frame_num 5"),
    Case("T17", "warning", ANIMATE + "--sample_steps 4", ANIMATE + "--sample_steps 20"),
    Case("T17", "error", ANIMATE + "--sample_steps 0", ANIMATE),
    Case("T18", "warning", ANIMATE + "--sample_guide_scale 3", ANIMATE + "--sample_guide_scale 1"),
    Case("T19", "note", ANIMATE + "--offload_model True", ANIMATE + "--offload_model False"),
    Case("T20", "error", ANIMATE.replace("w ", "w/src_pose.mp4 "), ANIMATE),
    Case("T21", "error", EIGHT.replace("8", "7") + "--dit_fsdp --ulysses_size 7", EIGHT + SHARED),
    Case("T22", "error", ANIMATE + "--dit_fsdp", EIGHT + SHARED),
    Case("T22", "error", ANIMATE + "--ulysses_size 8", EIGHT + SHARED),
    Case("T22", "error", EIGHT + "--ulysses_size 4", EIGHT + SHARED),
    Case("T29", "error", REPLACED.replace("wan/modules/animate/preprocess/preprocess_data.py",
         "-m wan.modules.animate.preprocess.preprocess_data"), REPLACED),
    Case("T36", "error", "python generate.py --task i2v-A14B --ckpt_dir i --prompt x", T2V),
    Case("T36", "warning", "python generate.py --task t2v-A14B --ckpt_dir i", ANIMATE),
    Case("T36", "error", "python generate.py --task s2v-14B --ckpt_dir i --prompt x --image a.png --size 1024*704",
         "python generate.py --task s2v-14B --ckpt_dir i --prompt x --image a.png --size 1024*704 --enable_tts"),
    Case("U1", "error", "python generate.py --task animate-14B --ckpt_dir m --refert_num 1", ANIMATE),
    Case("U1", "error", PREPROCESS + "--video_path a --refer_path b", ANIMATED),
    Case("U2", "warning", EIGHT, EIGHT + SHARED),
    Case("U3", "warning", ANIMATE + "--refert_num 5", ANIMATE + "--refert_num 1"),
    Case("U4", "error", ANIMATED + "--use_flux", ANIMATED + "--use_flux --retarget_flag"),
    Case("U4", "warning", REPLACED + "--use_flux --retarget_flag", REPLACED),
    Case("U4", "warning", ANIMATED + "--iterations 2", REPLACED + "--iterations 2"),
    Case("U5", "error", ANIMATE.replace("dir m ", "dir m/process_checkpoint "), ANIMATE),
    Case("U5", "error", ANIMATED.replace("m/process_checkpoint", "./Wan2.2-Animate-14B"), ANIMATED),
    Case("U6", "warning", EIGHT + SHARED + "--t5_cpu", EIGHT + SHARED),
    Case("U7", "note", "python generate.py --help", ANIMATE),
    Case("U9", "error", REPLACED + "\n" + REPLACE.replace("path w", "path v"), REPLACED + "\n" + REPLACE),
    Case("A1", "error", ANIMATE + "--seed 4", ANIMATE + "--base_seed 4"),
    Case("A2", "error", ANIMATE + "--size 1280x720", ANIMATE + "--size 1280*720"),
    Case("A3", "error", ANIMATED + "--fps 29.97", ANIMATED + "--fps 30"),
    Case("A3", "error", ANIMATED + "--resolution_area 1280*720 2", ANIMATED + "--resolution_area 1280 720"),
    Case("A3", "error", ANIMATE + "--offload_model maybe", ANIMATE + "--offload_model no"),
    Case("A4", "error", ANIMATE + "--offload_model", ANIMATE + "--offload_model=False"),
    Case("A4", "error", ANIMATED + "--resolution_area 1280*720", ANIMATED + "--resolution_area 1280 720"),
    Case("A5", "error", ANIMATE + "--sample_s 4", ANIMATE + "--sample_st 20"),
    Case("A6", "error", ANIMATE + "--replace_flag True", ANIMATE + "--replace_flag"),
    Case("A6", "error", "python generate.py extra --task t2v-A14B --ckpt_dir t", T2V),
    Case("A7", "error", ANIMATE + "--replace_flag=True", ANIMATE + "--replace"),
]  # fmt: skip


@pytest.mark.parametrize("case", COMMANDS, ids=lambda c: f"{c.id}-{c.severity}-{COMMANDS.index(c)}")
def test_command_has_the_trap_and_another_has_not(case: Case, tmp_path: Path) -> None:
    bad = found(wan.check(case.bad, base=tmp_path))
    assert bad.get(case.id) == case.severity, bad
    good = found(wan.check(case.good, base=tmp_path))
    assert case.id not in good or good[case.id] == "note" != case.severity, good


RIGHT = [
    REPLACE,
    ANIMATE,
    REPLACED,
    ANIMATED,
    ANIMATED + "--retarget_flag --use_flux",
    REPLACED + "--resolution_area 832 480 --iterations 3 --k 7 --w_len 1 --h_len 1",
    REPLACED + "\n" + REPLACE + "--save_file r.mp4",
    EIGHT + SHARED + "--replace_flag --use_relighting_lora",
    EIGHT.replace("torchrun --nproc_per_node=8", "python -m torch.distributed.run --nnodes 1 --nproc_per_node 8")
    + SHARED,
    "torchrun --nproc-per-node 8 generate.py --task t2v-A14B --ckpt_dir t --prompt x " + SHARED,
    T2V + "--offload_model True --convert_model_dtype --t5_cpu --size 832*480 --sample_guide_scale 3",
    ANIMATE + "--base_seed -1 --sample_solver dpm++ --sample_shift 5",
]


@pytest.mark.parametrize("command", RIGHT, ids=range(len(RIGHT)))
def test_right_commands_have_notes_only(command: str, tmp_path: Path) -> None:
    problems = wan.check(command, base=tmp_path)
    assert wan.exit_code(problems) == 0, problems


def test_a_right_replacement_has_the_notes_that_are_worth_knowing(tmp_path: Path) -> None:
    assert {"T0", "T5", "T6"} <= set(found(wan.check(REPLACE, base=tmp_path)))


def test_variables_are_not_judged_and_open_commands_lack_nothing(tmp_path: Path) -> None:
    assert not found(wan.check("python generate.py --task animate-14B $EXTRA", base=tmp_path)).keys() & {"T1", "U1"}
    assert "A3" not in found(wan.check(ANIMATE + "--sample_steps $STEPS", base=tmp_path))
    assert "T22" not in found(
        wan.check("torchrun --nproc_per_node=$N generate.py --ckpt_dir t --ulysses_size $N --prompt x")
    )


Make = Callable[[Path], None]


def replacement(folder: Path) -> None:
    write_streams(folder / "w")


def animation(folder: Path) -> None:
    write_streams(folder / "w", replace=False)


def source(**values: object) -> Make:
    return lambda folder: write_mp4(folder / "in.mp4", **values) and None  # type: ignore[arg-type,func-returns-value]


def reference(size: tuple[int, int]) -> Make:
    def make(folder: Path) -> None:
        write_png(folder / "me.png", size)
        write_mp4(folder / "in.mp4")

    return make


def nothing(folder: Path) -> None:
    return None


def drifting(folder: Path) -> None:
    write_streams(folder / "w")
    write_mp4(folder / "w" / "src_bg.mp4", frames=120)


def mixed_sizes(folder: Path) -> None:
    write_streams(folder / "w")
    write_mp4(folder / "w" / "src_mask.mp4", size=(832, 480))


def heic(folder: Path) -> None:
    write_heic(folder / "me.png")


def whole_checkpoint(folder: Path) -> None:
    (folder / "m" / "process_checkpoint" / "det").mkdir(parents=True)


VARYING = [(40, 300), (20, 450), (40, 300), (50, 250)]
FILES = [
    ("T5", "warning", ANIMATED + "--fps -1", source(fps=25), source(fps=30)),
    ("T7", "error", ANIMATE, replacement, animation),
    ("T8", "error", REPLACE, animation, replacement),
    ("T10", "error", ANIMATE + "--save_file gone/r.mp4", nothing, lambda folder: (folder / "gone").mkdir()),
    ("T12", "error", REPLACED + "--w_len 900", source(size=(480, 854)), source(size=(1280, 720))),
    ("T20", "error", ANIMATE, lambda folder: (folder / "w").write_text(""), animation),
    ("T21", "error", EIGHT + SHARED, lambda f: write_streams(f / "w", size=(464, 832), replace=False), animation),
    ("T21", "error", ANIMATED + "--resolution_area 832 480\n" + EIGHT + SHARED, source(), source(size=(832, 480))),
    ("T30", "warning", REPLACED, replacement, nothing),
    ("T30", "warning", REPLACE, drifting, replacement),
    ("T30", "error", REPLACE, mixed_sizes, replacement),
    ("T31", "error", REPLACED, heic, reference((1280, 720))),
    ("T31", "note", REPLACED, reference((512, 512)), reference((1280, 720))),
    ("T33", "error", REPLACED, source(frames=1), source()),
    ("T33", "error", REPLACED, source(frames=2, fps=60), source(frames=2)),
    ("T33", "error", ANIMATE, lambda f: write_streams(f / "w", frames=1, replace=False), animation),
    ("T33", "error", ANIMATE.replace("num 1", "num 5"), lambda f: write_streams(f / "w", frames=5), replacement),
    ("T34", "warning", REPLACED, source(rotation=90), source()),
    ("T34", "warning", REPLACED, source(deltas=VARYING), source()),
    ("U5", "error", ANIMATED.replace("m/process_checkpoint", "m"), whole_checkpoint, nothing),
]


@pytest.mark.parametrize(
    ("code", "severity", "command", "bad", "good"), FILES, ids=[f"{f[0]}-{i}" for i, f in enumerate(FILES)]
)
def test_files_have_the_trap_and_others_have_not(
    code: str, severity: str, command: str, bad: Make, good: Make, tmp_path: Path
) -> None:
    for name, make in (("bad", bad), ("good", good)):
        (tmp_path / name).mkdir()
        make(tmp_path / name)
    assert found(wan.check(command, base=tmp_path / "bad")).get(code) == severity
    assert code not in found(wan.check(command, base=tmp_path / "good"))


def test_missing_inputs_are_found_only_where_the_command_runs(tmp_path: Path) -> None:
    assert "U8" not in found(wan.check(REPLACED, base=tmp_path))
    assert found(wan.check(REPLACED, base=tmp_path, here=True))["U8"] == "error"


def without(name: str) -> dict[str, str]:
    return {package: version for package, version in PACKAGES.items() if package != name}


ENVIRONMENTS = [
    ("T10", "error", ANIMATE, without("imageio-ffmpeg"), (YAML,)),
    ("T23", "error", ANIMATE, without("flash-attn"), (YAML,)),
    ("T23", "error", ANIMATE, without("flash-attn"), (YAML, "flash_attn_interface.py")),
    ("T24", "error", ANIMATE, without("librosa"), (YAML,)),
    ("T24", "error", REPLACED, without("decord"), (YAML,)),
    ("T25", "error", ANIMATE, without("einops"), (YAML,)),
    ("T25", "error", REPLACED, without("moviepy"), (YAML,)),
    ("T26", "error", ANIMATE, {**PACKAGES, "peft": "0.18.0"}, (YAML,)),
    ("T26", "warning", ANIMATE, {**PACKAGES, "peft": "0.19.1"}, (YAML,)),
    ("T26", "warning", ANIMATE, {**PACKAGES, "transformers": "4.57.1"}, (YAML,)),
    ("T27", "warning", REPLACED, {**without("onnxruntime-gpu"), "onnxruntime": "1.20"}, (YAML,)),
    ("T27", "warning", REPLACED, {**PACKAGES, "onnxruntime": "1.20"}, (YAML,)),
    ("T27", "error", REPLACED, without("onnxruntime-gpu"), (YAML,)),
    ("T28", "error", ANIMATED, without("sam-2"), ()),
    ("T28", "error", ANIMATED, PACKAGES, ("sam2/__init__.py",)),
]


@pytest.mark.parametrize(
    ("code", "severity", "command", "packages", "files"),
    ENVIRONMENTS,
    ids=[f"{e[0]}-{i}" for i, e in enumerate(ENVIRONMENTS)],
)
def test_environment_has_the_trap_and_a_right_one_has_not(
    code: str, severity: str, command: str, packages: dict[str, str], files: tuple[str, ...], tmp_path: Path
) -> None:
    bad = read_environment(write_environment(tmp_path / "bad", packages, files=files))
    assert found(wan.check(command, base=tmp_path, environment=bad)).get(code) == severity
    good = read_environment(write_environment(tmp_path / "good", PACKAGES, files=(YAML,)))
    assert code not in {p.id for p in wan.check(command, base=tmp_path, environment=good) if p.severity != "note"}


@pytest.mark.parametrize(
    ("command", "gpu", "severity"),
    [
        (ANIMATE, "H100", None),
        (ANIMATE, "A40", "error"),
        (ANIMATE + "--t5_cpu", "A40", "warning"),
        (ANIMATE, "RTX 4090", "error"),
        (EIGHT + SHARED, "RTX 4090", None),
        (EIGHT, "A40", "error"),
    ],
)
def test_gpu_memory(command: str, gpu: str, severity: str | None, tmp_path: Path) -> None:
    assert found(wan.check(command, base=tmp_path, gpu=find_gpu(gpu))).get("G1") == severity


def test_gpu_memory_follows_the_area_of_the_pair(tmp_path: Path) -> None:
    small = REPLACED + "--resolution_area 832 480\n" + REPLACE + "--t5_cpu"
    assert "G1" not in found(wan.check(small, base=tmp_path, gpu=find_gpu("A40")))


def test_absurd_counts_are_answered_at_once(tmp_path: Path) -> None:
    absurd = EIGHT + "--dit_fsdp --ulysses_size 99999999999999999999"
    write_streams(tmp_path / "w", replace=False)
    assert found(wan.check(absurd, base=tmp_path))["T21"] == "error"


def test_every_rule_is_tested_here() -> None:
    tested = (
        {case.id for case in COMMANDS} | {row[0] for row in FILES} | {row[0] for row in ENVIRONMENTS} | {"U8", "G1"}
    )
    assert {rule.id for rule in TRAPS} <= tested


def test_every_decidable_trap_of_the_facts_has_a_rule() -> None:
    decidable = {*range(13), *range(16, 32), 33, 34, 36}
    assert {f"T{n}" for n in decidable} <= {rule.id for rule in TRAPS}

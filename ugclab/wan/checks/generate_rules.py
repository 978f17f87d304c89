"""Rules about one generate.py command, decided by the command alone."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from ugclab.wan.checks.trap import ANIMATE, ANIMATE_FLAGS, Command, Surroundings, trap
from ugclab.wan.problems import Finding, Severity, Stage

FEW_STEPS = 10
"""Below this an undistilled model is undersampled; its default is 20."""
WRITTEN = {".mp4", ".mov", ".mkv", ".avi", ".wmv", ".mpeg", ".gif"}
"""Suffixes imageio 2.38 wrote, asked as save_video asks; .webm, .m4v, .mpg, .ts, .flv and none failed (executed)."""
EXTENDED = {"t2v-A14B", "i2v-A14B", "ti2v-5B"}
"""Tasks that have a system prompt for prompt extension (wan/utils/prompt_extend.py:26)."""


@trap("T0", Severity.NOTE, source="wan/animate.py:524-566", stage=Stage.RESULT)
def whole_person(command: Command, around: Surroundings) -> Iterator[Finding]:
    """`--replace_flag` replaces the whole person inside the mask, not the face."""
    if command.animates and command.on("replace_flag"):
        yield Finding(
            what="replacement redraws body, clothes and hair inside the mask: it is no face swap",
            fix="for the face alone, composite the original pixels back outside the head",
        )


@trap("T1", Severity.ERROR, source="wan/animate.py:351; generate.py:234", stage=Stage.LOAD)
def overlap(command: Command, around: Surroundings) -> Iterator[Finding]:
    """`--refert_num` left out is 77; only 1 and 5 pass its assert, which comes after every model is loaded."""
    value = command.value("refert_num")
    if command.animates and value is not None and value not in (1, 5):
        left_out = "" if command.given("refert_num") else " (its default)"
        yield Finding(
            what=f"--refert_num is {value}{left_out}: an assert after the whole load wants 1 or 5",
            fix="--refert_num 1",
            flag="--refert_num",
        )


@trap("T2", Severity.ERROR, source="generate.py:112 and :403", stage=Stage.RESULT)
def task_left_out(command: Command, around: Surroundings) -> Iterator[Finding]:
    """`--task` left out is text-to-video, which ignores `--src_root_path` and `--replace_flag`."""
    if not command.generates or command.task is None or command.animates:
        return
    flags = [name for name in ANIMATE_FLAGS if command.given(name)]
    checkpoint = str(command.value("ckpt_dir") or "")
    if flags or (command.absent("task") and "animate" in checkpoint.lower()):
        named = "without --task it" if command.absent("task") else f"--task {command.task.name}"
        ignored = ", ".join(f"--{name}" for name in flags) or "the Animate checkpoint"
        yield Finding(
            what=f"{named} runs {command.task.name}, which ignores {ignored}; an Animate checkpoint lacks its models",
            fix=f"--task {ANIMATE}",
            flag="--task",
            stage=Stage.LOAD if "animate" in checkpoint.lower() else None,
        )


@trap("T3", Severity.WARNING, source="generate.py:471-481; wan/animate.py:360", stage=Stage.RESULT)
def prompt(command: Command, around: Surroundings) -> Iterator[Finding]:
    """`--prompt` is accepted and never reaches Animate; `--use_prompt_extend` fails for want of a system prompt."""
    if command.animates and command.given("prompt"):
        yield Finding(
            what="--prompt never reaches Animate: it only names the output file",
            fix="leave --prompt out: the configuration's own sentence is used",
            flag="--prompt",
        )
    if command.task is not None and command.task.name not in EXTENDED and command.on("use_prompt_extend"):
        yield Finding(
            what=f"--use_prompt_extend loads a language model, then fails: {command.task.name} has no system prompt",
            fix="leave --use_prompt_extend out",
            flag="--use_prompt_extend",
            severity=Severity.ERROR,
            stage=Stage.LOAD,
            source="wan/utils/prompt_extend.py:26 and :93",
        )


@trap("T4", Severity.ERROR, source="generate.py:100; wan/animate.py:393; wan/configs/__init__.py")
def size(command: Command, around: Surroundings) -> Iterator[Finding]:
    """`--size` does not set Animate's size (src_pose.mp4 does), yet a size the task does not list fails an assert."""
    value = command.value("size")
    if command.task is None or value is None or not command.task.sizes or command.task.name == "s2v-14B":
        return  # generate.py:99 leaves speech-to-video out
    if value not in command.task.sizes:
        sizes = " or ".join(command.task.sizes)
        left_out = "" if command.given("size") else " (the default)"
        advice = "leave --size out; the preprocessing's --resolution_area sets the size" if command.animates else sizes
        yield Finding(what=f"{value}{left_out} fails an assert: the task wants {sizes}", fix=advice, flag="--size")
    elif command.animates and command.given("size"):
        yield Finding(
            what=f"--size {value} changes nothing: the size is that of src_pose.mp4",
            fix="set the size with --resolution_area when preprocessing",
            flag="--size",
            severity=Severity.NOTE,
        )


@trap(
    "T5", Severity.NOTE, source="generate.py:551-554; wan_animate_14B.py (sample_fps); Wan2.2#190", stage=Stage.RESULT
)
def output_rate(command: Command, around: Surroundings) -> Iterator[Finding]:
    """The result is always written at the configuration's 30 fps, whatever rate was preprocessed."""
    if command.animates and command.task is not None:
        rate = command.task.defaults.get("sample_fps", 30)
        yield Finding(what=f"the result is written at {rate} fps, whatever the source's rate: 29.97 drifts by 0.1 %")


@trap("T6", Severity.NOTE, source="generate.py:558", stage=Stage.RESULT)
def no_audio(command: Command, around: Surroundings) -> Iterator[Finding]:
    """The result has no sound: only speech-to-video merges any."""
    if command.animates:
        yield Finding(what="the result has no sound", fix="copy the source's audio onto it afterwards")


@trap("T9", Severity.WARNING, source="wan/animate.py:179-189", stage=Stage.RESULT)
def relighting(command: Command, around: Surroundings) -> Iterator[Finding]:
    """`--use_relighting_lora` without `--replace_flag` is applied silently, about 5 % more work on every forward."""
    if command.animates and command.on("use_relighting_lora") and command.off("replace_flag"):
        yield Finding(
            what="the relighting LoRA is applied in animation mode, which it was not made for",
            fix="add --replace_flag, or leave --use_relighting_lora out",
            flag="--use_relighting_lora",
        )


@trap("T10", Severity.ERROR, source="wan/utils/utils.py:102-120", stage=Stage.RESULT)
def unwritable_suffix(command: Command, around: Surroundings) -> Iterator[Finding]:
    """`save_video` swallows its exceptions: a name it cannot write ends with exit code 0 and no file."""
    value = command.value("save_file")
    if command.generates and isinstance(value, str) and PurePosixPath(value).suffix.lower() not in WRITTEN:
        yield Finding(
            what=f"'{value}' cannot be written as H.264: the run ends with exit code 0 and no video",
            fix="give a name that ends in .mp4",
            flag="--save_file",
        )


@trap("T11", Severity.NOTE, source="generate.py:543-548; wan_animate_14B.py (prompt)", stage=Stage.RESULT)
def default_name(command: Command, around: Surroundings) -> Iterator[Finding]:
    """Without `--save_file` the result's name holds `*`, the prompt (Chinese by default) and the time."""
    if command.animates and command.absent("save_file"):
        yield Finding(
            what="the result lands in the current folder under a name with '*', Chinese text and the time",
            fix="--save_file result.mp4",
            flag="--save_file",
        )


@trap("T16", Severity.ERROR, source="wan/animate.py:215-235, :463 and :637", stage=Stage.LOAD)
def clip_length(command: Command, around: Surroundings) -> Iterator[Finding]:
    """`--frame_num` has to be 4n+1 and above `--refert_num`: else it fails after the load, or loses frames."""
    value, behind = command.value("frame_num"), command.value("refert_num")
    if not command.animates or not isinstance(value, int):
        return
    if value < 1 or value % 4 != 1:
        lost = (value - 1) % 4
        # In animation 4n+2 and 4n+3 go through: the VAE drops what is above 4n+1, at the end of every clip.
        passes = value > 1 and value % 4 and command.off("replace_flag")
        what = f"loses {lost} frames at the end of every clip" if passes else "fails after the load: shapes do not fit"
        yield Finding(
            what=f"--frame_num {value} is not 4n+1: it {what}",
            fix=f"--frame_num {max(5, value // 4 * 4 + 1)}",
            flag="--frame_num",
            stage=Stage.RESULT if passes else None,
        )
    elif behind in (1, 5) and value <= behind:
        yield Finding(
            what=f"--frame_num {value} leaves no new frame beside the {behind} carried over: a division by zero",
            fix="--frame_num 77",
            flag="--frame_num",
        )


@trap(
    "T17",
    Severity.WARNING,
    source="generate.py:207; wan/animate.py:179 (only the relighting LoRA is loaded)",
    stage=Stage.RESULT,
)
def few_steps(command: Command, around: Surroundings) -> Iterator[Finding]:
    """Few `--sample_steps` are accepted, but no distilled LoRA can be loaded: the result is undersampled."""
    value = command.value("sample_steps")
    if not command.animates or not isinstance(value, int) or value >= FEW_STEPS:
        return
    if value < 1:
        what = f"--sample_steps {value} samples nothing: the run fails after the load"
        yield Finding(
            what=what, fix="--sample_steps 20", flag="--sample_steps", severity=Severity.ERROR, stage=Stage.LOAD
        )
    else:
        yield Finding(
            what=f"{value} steps need a step-distilled LoRA, and generate.py can load none: the result is undersampled",
            fix="--sample_steps 20, or a pipeline that loads the LoRA (diffusers)",
            flag="--sample_steps",
        )


@trap("T18", Severity.WARNING, source="wan/animate.py:592-621", stage=Stage.RESULT)
def guidance(command: Command, around: Surroundings) -> Iterator[Finding]:
    """`--sample_guide_scale` above 1 doubles the forwards, for the expression's sake only; below 1 it does nothing."""
    value = command.value("sample_guide_scale")
    if command.animates and isinstance(value, int | float) and command.given("sample_guide_scale") and value != 1:
        what = f"guidance {value:g} doubles the forwards" if value > 1 else f"guidance {value:g} is the same as 1"
        yield Finding(what=what, fix="leave --sample_guide_scale out", flag="--sample_guide_scale")


@trap("T19", Severity.NOTE, source="wan/animate.py:368-373; Wan2.2#283", stage=Stage.LOAD)
def offload(command: Command, around: Surroundings) -> Iterator[Finding]:
    """`--offload_model True` moves the text encoder away, nothing else: transformer, CLIP and VAE stay on the GPU."""
    if command.animates and command.given("offload_model") and command.value("offload_model") is True:
        yield Finding(
            what="offloading frees 11.4 GB of text encoder after its use; 37.5 GB of other models stay on the GPU",
            flag="--offload_model",
        )


@trap("T20", Severity.ERROR, source="README.md:391; wan/animate.py:362-366", stage=Stage.LOAD)
def file_for_folder(command: Command, around: Surroundings) -> Iterator[Finding]:
    """`--src_root_path` is a folder; the README's own 8-GPU replacement example gives a file."""
    value = command.value("src_root_path")
    if not command.animates or not isinstance(value, str):
        return
    suffix, path = PurePosixPath(value).suffix.lower(), command.path("src_root_path", around.base)
    if suffix in {".mp4", ".mov", ".mkv", ".avi", ".webm", ".png", ".jpg", ".jpeg"} or (path and path.is_file()):
        folder = str(PurePosixPath(value).parent)
        yield Finding(
            what=f"--src_root_path {value} is a file: '{value}/src_pose.mp4' cannot be read, after the load",
            fix=f"--src_root_path {folder}",
            flag="--src_root_path",
        )


@trap("T36", Severity.WARNING, source="generate.py:68-80", stage=Stage.RESULT)
def filled_from_example(command: Command, around: Surroundings) -> Iterator[Finding]:
    """A missing `--prompt`, `--image` or `--audio` is filled with the repository's example, before the assert."""
    task = command.task
    if task is None or command.animates or any(command.given(name) for name in ANIMATE_FLAGS):
        return
    needed = {"i2v-A14B": ("prompt", "image"), "s2v-14B": ("prompt", "image", "audio")}.get(task.name, ("prompt",))
    for name in needed:
        if not command.absent(name) or (name == "audio" and command.on("enable_tts")):
            continue
        foreign = name != "prompt"
        yield Finding(
            what=f"without --{name}, {task.name} takes the repository's example"
            + (", and fails where it is not there" if foreign else " prompt"),
            fix=f"give --{name}",
            flag=f"--{name}",
            severity=Severity.ERROR if foreign else None,
        )


RULES = (
    whole_person,
    overlap,
    task_left_out,
    prompt,
    size,
    output_rate,
    no_audio,
    relighting,
    unwritable_suffix,
    default_name,
    clip_length,
    few_steps,
    guidance,
    offload,
    file_for_folder,
    filled_from_example,
)

"""Rules about a preprocessing command and the generation that reads what it wrote: flags that must agree."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from ugclab.wan.arithmetic import effective_size, tokens
from ugclab.wan.checks.trap import Command, Surroundings, pair_trap
from ugclab.wan.mp4 import read_video_track
from ugclab.wan.problems import Finding, Severity, Stage


@pair_trap("T7", Severity.ERROR, source="wan/animate.py:386-391", stage=Stage.RESULT)
def replacement_as_animation(before: Command, command: Command, around: Surroundings) -> Iterator[Finding]:
    """Preprocessed with `--replace_flag`, generated without it: silently animation mode."""
    if before.on("replace_flag") and command.off("replace_flag"):
        yield Finding(
            what="preprocessed for replacement and generated without --replace_flag: silently animation mode",
            fix="add --replace_flag to generate.py",
            flag="--replace_flag",
        )


@pair_trap("T8", Severity.ERROR, source="wan/animate.py:387-389", stage=Stage.LOAD)
def animation_as_replacement(before: Command, command: Command, around: Surroundings) -> Iterator[Finding]:
    """Preprocessed without `--replace_flag`, generated with it: src_bg.mp4 is missing after the load."""
    if before.off("replace_flag") and command.on("replace_flag"):
        yield Finding(
            what="preprocessed without --replace_flag: src_bg.mp4 is missing, which shows after the load",
            fix="add --replace_flag to preprocess_data.py",
            flag="--replace_flag",
        )


@pair_trap("T4", Severity.WARNING, source="wan/animate.py:393", stage=Stage.RESULT)
def sizes_disagree(before: Command, command: Command, around: Surroundings) -> Iterator[Finding]:
    """`--size` says another area than `--resolution_area`, which alone decides."""
    size, area = command.value("size"), before.value("resolution_area")
    if not command.given("size") or not isinstance(size, str) or not isinstance(area, list | tuple) or len(area) != 2:
        return
    width, _, height = size.partition("*")
    numbers = width.isdecimal() and height.isdecimal() and all(isinstance(side, int) for side in area)
    if numbers and int(width) * int(height) != area[0] * area[1]:
        yield Finding(
            what=f"--size {size} against --resolution_area {area[0]} {area[1]}: the second decides",
            fix="leave --size out",
            flag="--size",
        )


@pair_trap("T21", Severity.ERROR, source="wan/modules/animate/face_blocks.py:348", stage=Stage.LOAD)
def tokens_divide(before: Command, command: Command, around: Surroundings) -> Iterator[Finding]:
    """The tokens of what will be preprocessed have to divide by the GPU count."""
    path = before.path("video_path", around.base)
    track = read_video_track(path) if path else None
    gpus, length, area = command.value("ulysses_size"), command.value("frame_num"), before.value("resolution_area")
    if track is None or not isinstance(gpus, int) or gpus < 2 or not isinstance(length, int) or length % 4 != 1:
        return
    if isinstance(area, list | tuple) and len(area) == 2 and all(isinstance(side, int) and side > 0 for side in area):
        size = effective_size(track.width, track.height, (area[0], area[1]))
        count = tokens(size.width, size.height, length)
        if count % gpus:
            yield Finding(
                what=f"{count} tokens at {size.width}x{size.height} do not divide by {gpus} GPUs",
                fix=f"another --resolution_area, or {max(n for n in range(1, gpus) if count % n == 0)} GPUs",
                flag="--ulysses_size",
            )


@pair_trap("U9", Severity.ERROR, source="wan/animate.py:362-366", stage=Stage.LOAD)
def other_folder(before: Command, command: Command, around: Surroundings) -> Iterator[Finding]:
    """generate.py reads another folder than preprocess_data.py wrote."""
    wrote, reads = before.value("save_path"), command.value("src_root_path")
    if isinstance(wrote, str) and isinstance(reads, str) and not same_folder(wrote, reads):
        yield Finding(
            what=f"preprocessed into {wrote}, generated from {reads}",
            fix=f"--src_root_path {wrote}",
            flag="--src_root_path",
        )


def same_folder(wrote: str, reads: str) -> bool:
    """Whether a generation reads the folder, or (wrongly: T20) a file in it."""
    first, second = PurePosixPath(wrote), PurePosixPath(reads)
    return second == first or second.parent == first


RULES = (replacement_as_animation, animation_as_replacement, sizes_disagree, tokens_divide, other_folder)

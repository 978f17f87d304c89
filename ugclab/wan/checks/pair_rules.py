"""Rules about a preprocessing command and the generation that reads what it wrote: flags that must agree."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from ugclab.wan.arithmetic import effective_size
from ugclab.wan.checks.file_rules import undivided
from ugclab.wan.checks.preprocess_rules import resolution_area
from ugclab.wan.checks.trap import Command, Surroundings, trap
from ugclab.wan.mp4 import read_video_track
from ugclab.wan.problems import Finding, Severity, Stage


@trap("T7", Severity.ERROR, source="wan/animate.py:386-391", stage=Stage.RESULT)
def replacement_as_animation(command: Command, around: Surroundings) -> Iterator[Finding]:
    """Preprocessed with `--replace_flag`, generated without it: silently animation mode."""
    if command.before and command.before.on("replace_flag") and command.off("replace_flag"):
        yield Finding(
            what="preprocessed for replacement and generated without --replace_flag: silently animation mode",
            fix="add --replace_flag to generate.py",
            flag="--replace_flag",
        )


@trap("T8", Severity.ERROR, source="wan/animate.py:387-389", stage=Stage.LOAD)
def animation_as_replacement(command: Command, around: Surroundings) -> Iterator[Finding]:
    """Preprocessed without `--replace_flag`, generated with it: src_bg.mp4 is missing after the load."""
    if command.before and command.before.off("replace_flag") and command.on("replace_flag"):
        yield Finding(
            what="preprocessed without --replace_flag: src_bg.mp4 is missing, which shows after the load",
            fix="add --replace_flag to preprocess_data.py",
            flag="--replace_flag",
        )


@trap("T4", Severity.WARNING, source="wan/animate.py:393", stage=Stage.RESULT)
def sizes_disagree(command: Command, around: Surroundings) -> Iterator[Finding]:
    """`--size` says another area than `--resolution_area`, which alone decides."""
    size, area = command.value("size"), resolution_area(command.before)
    if area is None or not command.given("size") or not isinstance(size, str):
        return
    width, _, height = size.partition("*")
    if width.isdecimal() and height.isdecimal() and int(width) * int(height) != area[0] * area[1]:
        yield Finding(
            what=f"--size {size} against --resolution_area {area[0]} {area[1]}: the second decides",
            fix="leave --size out",
            flag="--size",
        )


@trap("T21", Severity.ERROR, source="wan/modules/animate/face_blocks.py:364", stage=Stage.LOAD)
def tokens_divide(command: Command, around: Surroundings) -> Iterator[Finding]:
    """The tokens of what will be preprocessed have to divide by the GPU count."""
    path = command.before.path("video_path", around.base) if command.before else None
    track, area = read_video_track(path) if path else None, resolution_area(command.before)
    if track is not None and area is not None:
        size = effective_size(track.width, track.height, area)
        yield from undivided(command, size.width, size.height)


@trap("U9", Severity.ERROR, source="wan/animate.py:362-366", stage=Stage.LOAD)
def other_folder(command: Command, around: Surroundings) -> Iterator[Finding]:
    """generate.py reads another folder than preprocess_data.py wrote."""
    wrote = command.before.value("save_path") if command.before else None
    reads = command.value("src_root_path")
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

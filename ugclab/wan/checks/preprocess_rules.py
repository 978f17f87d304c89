"""Rules about one preprocess_data.py command, decided by the command alone."""

from collections.abc import Iterator

from ugclab.wan.checks.trap import Command, Surroundings, trap
from ugclab.wan.problems import Finding, Severity, Stage

PIPELINE = "preprocess/process_pipepline.py"
MASK_FLAGS = ("iterations", "k", "w_len", "h_len")


def resolution_area(command: Command | None) -> tuple[int, int] | None:
    """The area a preprocessing is asked for, in px; None where it is not decided or no area."""
    area = command.value("resolution_area") if command else None
    if isinstance(area, list | tuple) and len(area) == 2 and all(isinstance(n, int) and n > 0 for n in area):
        return area[0], area[1]
    return None


@trap("T0", Severity.NOTE, source=f"{PIPELINE}:97-111", stage=Stage.RESULT)
def whole_person(command: Command, around: Surroundings) -> Iterator[Finding]:
    """`--replace_flag` masks the whole person: body, clothes and hair are replaced with the face."""
    if command.preprocesses and command.on("replace_flag"):
        yield Finding(what="the mask covers the whole person: what follows is no face swap")


@trap("T5", Severity.WARNING, source="generate.py:554; wan_animate_14B.py (sample_fps) (executed)", stage=Stage.RESULT)
def frame_rate(command: Command, around: Surroundings) -> Iterator[Finding]:
    """`--fps` other than 30 changes the speed: the result is written at 30 fps (16 makes 5.00 s into 2.67 s)."""
    value = command.value("fps")
    if not command.preprocesses or not isinstance(value, int) or value in {30, -1}:
        return  # -1 is judged by the source's own rate, in file_rules
    if value < 1:
        yield Finding(
            what=f"--fps {value} takes no frame from the source: an IndexError follows",
            fix="--fps 30",
            flag="--fps",
            severity=Severity.ERROR,
            stage=Stage.PREPROCESS,
        )
    else:
        yield Finding(
            what=f"--fps {value}: 5.00 s become {5 * value / 30:.2f} s, played at {30 / value:.2f} times the speed",
            fix=f"--fps 30, or write the result's frames anew at {value} fps",
            flag="--fps",
        )


@trap("T12", Severity.NOTE, source=f"{PIPELINE}:102-109; preprocess/utils.py:25-49 (executed)", stage=Stage.RESULT)
def mask_shape(command: Command, around: Surroundings) -> Iterator[Finding]:
    """`--w_len 1 --h_len 1` makes the mask its bounding box; `--iterations 0` is the raw silhouette; 0 cells fail."""
    if not command.preprocesses or not command.on("replace_flag"):
        return
    cells = {name: command.value(name) for name in ("w_len", "h_len")}
    for name, value in cells.items():
        if isinstance(value, int) and value < 1:
            what = f"--{name} {value} " + ("divides by zero" if value == 0 else "leaves the dilated silhouette uncut")
            worse = Severity.ERROR if value == 0 else Severity.WARNING
            yield Finding(
                what=what, fix=f"--{name} 1 or more", flag=f"--{name}", severity=worse, stage=Stage.PREPROCESS
            )
    iterations, kernel = command.value("iterations"), command.value("k")
    if isinstance(iterations, int) and iterations < 1:
        yield Finding(
            what=f"--iterations {iterations} uses the raw silhouette: hair and clothes stay visible at its edge",
            fix="--iterations 3",
            flag="--iterations",
            severity=Severity.WARNING,
        )
    elif isinstance(kernel, int) and kernel < 0:
        what = "a kernel of negative size fails after the mask pass"
        yield Finding(what=what, fix="--k 7", flag="--k", severity=Severity.ERROR, stage=Stage.PREPROCESS)
    elif all(value == 1 for value in cells.values()):
        yield Finding(
            what="one cell each way makes the mask the person's bounding box: all background in it is redrawn",
            fix="--w_len 10 --h_len 20 follow the outline more closely",
            flag="--w_len",
        )


@trap("T29", Severity.ERROR, source="preprocess/preprocess_data.py:4")
def run_as_module(command: Command, around: Surroundings) -> Iterator[Finding]:
    """The preprocessing has to be run by path: with `-m` it does not find its siblings."""
    if command.preprocesses and command.found.launcher.as_module:
        yield Finding(
            what="with -m, 'from process_pipepline import …' finds no such module",
            fix="python wan/modules/animate/preprocess/preprocess_data.py …",
        )


@trap("U4", Severity.WARNING, source=f"{PIPELINE}:35 and :39-126; preprocess_data.py:100", stage=Stage.RESULT)
def without_effect(command: Command, around: Surroundings) -> Iterator[Finding]:
    """Flags that do nothing in the chosen mode: mask flags in animation, retargeting and FLUX in replacement."""
    if not command.preprocesses:
        return
    if command.on("use_flux") and command.off("retarget_flag"):
        yield Finding(
            what="--use_flux without --retarget_flag fails an assert",
            fix="add --retarget_flag, or leave --use_flux out",
            flag="--use_flux",
            severity=Severity.ERROR,
            stage=Stage.START,
        )
    elif command.on("replace_flag") and (command.on("use_flux") or command.on("retarget_flag")):
        cost = "; FLUX (54 GiB, gated) is loaded for nothing" if command.on("use_flux") else ""
        yield Finding(
            what=f"replacement does not retarget{cost}",
            fix="leave --retarget_flag and --use_flux out",
            flag="--retarget_flag",
        )
    changed = [name for name in MASK_FLAGS if command.given(name)]
    if command.off("replace_flag") and changed:
        flags = ", ".join(f"--{name}" for name in changed)
        yield Finding(what=f"{flags}: there is no mask in animation mode", fix="was --replace_flag meant?", flag=flags)


RULES = (whole_person, frame_rate, mask_shape, run_as_module, without_effect)

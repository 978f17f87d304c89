"""Rules about how either script is started, and about flags both have in common."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from ugclab.wan.arithmetic import peak_memory_gb
from ugclab.wan.checks.preprocess_rules import resolution_area
from ugclab.wan.checks.trap import Command, Surroundings, trap
from ugclab.wan.mp4 import read_video_track
from ugclab.wan.problems import Finding, Severity, Stage

NEEDED = {"generate": ("ckpt_dir",), "preprocess": ("ckpt_path", "video_path", "refer_path", "save_path")}
SMALL, LARGE = 832 * 480, 1280 * 720


@trap("T21", Severity.ERROR, source="generate.py:363; wan_animate_14B.py (num_heads)")
def heads_divide(command: Command, around: Surroundings) -> Iterator[Finding]:
    """`--ulysses_size` has to divide the transformer's 40 heads."""
    value = command.value("ulysses_size")
    heads = command.task.defaults.get("num_heads") if command.task else None
    if isinstance(value, int) and isinstance(heads, int) and value > 1 and heads % value:
        fitting = [n for n in range(1, heads + 1) if heads % n == 0 and n < value]
        yield Finding(
            what=f"{heads} heads cannot be divided among {value} GPUs",
            fix=f"--ulysses_size {fitting[-1]}, and as many processes",
            flag="--ulysses_size",
        )


@trap("T22", Severity.ERROR, source="generate.py:334-342 (executed)")
def needs_torchrun(command: Command, around: Surroundings) -> Iterator[Finding]:
    """FSDP and Ulysses need torchrun, and as many processes as `--ulysses_size`."""
    processes, ulysses = command.found.launcher.processes, command.value("ulysses_size")
    if not command.generates or processes is None:
        return
    sharding = [name for name in ("t5_fsdp", "dit_fsdp") if command.on(name)]
    if processes == 1 and (sharding or (isinstance(ulysses, int) and ulysses > 1)):
        flags = [f"--{name}" for name in sharding] + (["--ulysses_size"] if (ulysses or 1) > 1 else [])
        count = ulysses if isinstance(ulysses, int) and ulysses > 1 else "N"
        yield Finding(
            what=f"{', '.join(flags)} in a single process fails an assert",
            fix=f"torchrun --nproc_per_node={count} generate.py …, or leave {', '.join(flags)} out",
            flag=flags[0],
        )
    elif processes > 1 and isinstance(ulysses, int) and ulysses > 1 and ulysses != processes:
        yield Finding(
            what=f"--ulysses_size {ulysses} and {processes} processes: an assert wants them equal",
            fix=f"--ulysses_size {processes}",
            flag="--ulysses_size",
        )


@trap("U1", Severity.ERROR, source="generate.py:64; preprocess_data.py:102-108; wan/animate.py:362")
def required_in_effect(command: Command, around: Surroundings) -> Iterator[Finding]:
    """Paths whose default of None only fails later, with a TypeError."""
    names = [*NEEDED[command.found.script], *(["src_root_path"] if command.animates else [])]
    for name in names:
        if command.absent(name) and not command.given("help"):
            late = name == "src_root_path" or (command.preprocesses and name != "ckpt_path")
            yield Finding(
                what=f"--{name} is missing: None fails " + ("after the load" if late else "at once"),
                fix=f"give --{name}",
                flag=f"--{name}",
                stage=Stage.LOAD if late else None,
            )


@trap("U2", Severity.WARNING, source="generate.py:320-342 and :542", stage=Stage.RESULT)
def same_work(command: Command, around: Surroundings) -> Iterator[Finding]:
    """Several processes without `--ulysses_size` all compute the whole video; one of them saves it."""
    processes = command.found.launcher.processes
    if command.generates and processes is not None and processes > 1 and command.value("ulysses_size") == 1:
        yield Finding(
            what=f"each of {processes} GPUs generates the whole video, and one saves it: {processes} times the price",
            fix=f"--ulysses_size {processes}, with --dit_fsdp and --t5_fsdp",
            flag="--ulysses_size",
        )


@trap("U3", Severity.WARNING, source="argparse: the last one counts")
def given_twice(command: Command, around: Surroundings) -> Iterator[Finding]:
    """A flag given twice with different values: only the last counts."""
    for name, earlier in command.arguments.repeated.items():
        last = " ".join(command.arguments.given[name])
        what = f"--{name} is given twice: {last} counts, {' '.join(earlier)} does not"
        yield Finding(what=what, fix="give it once", flag=f"--{name}")


@trap("U5", Severity.ERROR, source="preprocess_data.py:102-105; wan_animate_14B.py")
def wrong_checkpoint_folder(command: Command, around: Surroundings) -> Iterator[Finding]:
    """`--ckpt_path` is the folder process_checkpoint; `--ckpt_dir` is the one above it."""
    name = "ckpt_path" if command.preprocesses else "ckpt_dir"
    value = command.value(name)
    if not isinstance(value, str) or not (command.preprocesses or command.animates):
        return
    last = PurePosixPath(value).name
    folder = command.path(name, around.base)
    if command.generates and last == "process_checkpoint":
        yield Finding(
            what=f"{value} holds the preprocessing models, not the generator's",
            fix=f"--ckpt_dir {PurePosixPath(value).parent}",
            flag="--ckpt_dir",
        )
    elif command.preprocesses and (
        last == "Wan2.2-Animate-14B" or (folder and (folder / "process_checkpoint" / "det").is_dir())
    ):
        yield Finding(
            what=f"{value} is the whole checkpoint: det/yolov10m.onnx is not directly in it",
            fix=f"--ckpt_path {PurePosixPath(value) / 'process_checkpoint'}",
            flag="--ckpt_path",
        )


@trap(
    "U6",
    Severity.WARNING,
    source="wan/modules/t5.py:498-501; wan/animate.py:374-378 (its docstring excludes it)",
    stage=Stage.LOAD,
)
def sharded_on_cpu(command: Command, around: Surroundings) -> Iterator[Finding]:
    """`--t5_cpu` with `--t5_fsdp`: the encoder is sharded over the GPUs and then fed from the CPU."""
    if command.generates and command.on("t5_cpu") and command.on("t5_fsdp"):
        yield Finding(
            what="the text encoder cannot be sharded over GPUs and run on the CPU", fix="keep one", flag="--t5_cpu"
        )


@trap("U7", Severity.NOTE, source="wan/modules/t5.py:478")
def help_needs_cuda(command: Command, around: Surroundings) -> Iterator[Finding]:
    """`generate.py --help` fails without CUDA, and `preprocess_data.py --help` without sam2: imports come first."""
    if command.given("help"):
        yield Finding(
            what="help is printed after the imports, which need CUDA", fix="ugclab wan contract", flag="--help"
        )


@trap("G1", Severity.ERROR, source="weights counted; peaks are a model (docs/wan22.md)", stage=Stage.LOAD)
def memory(command: Command, around: Surroundings) -> Iterator[Finding]:
    """The GPU has to hold every model while the text is encoded, and the transformer's work while it samples."""
    if around.gpu is None or not command.animates or command.found.launcher.processes is None:
        return
    several = command.found.launcher.processes > 1
    offloaded = command.value("offload_model") if command.given("offload_model") else not several
    pixels = _pixels(command, around)
    peaks = {
        size: peak_memory_gb(
            size,
            gpus=command.found.launcher.processes if (command.value("ulysses_size") or 1) > 1 else 1,
            t5_cpu=command.on("t5_cpu"),
            t5_stays=not offloaded,
            shard_transformer=command.on("dit_fsdp"),
            shard_t5=command.on("t5_fsdp"),
        )
        for size in ({pixels} if pixels else {SMALL, LARGE})
    }
    have, least, most = around.gpu.memory_gb, min(peaks.values()), max(peaks.values())
    advice = "--t5_cpu, a smaller --resolution_area, more GPUs with --dit_fsdp, or a larger card"
    named = f"{around.gpu.name} has {have:.1f} GB ({around.gpu.memory_mib / 1024:.0f} GiB)"
    if have < least:
        yield Finding(what=f"{named}; about {least:.0f} GB are needed", fix=advice)
    elif have < most:
        what = f"{named}: enough at 480p (about {least:.0f} GB), not at 720p (about {most:.0f} GB)"
        yield Finding(what=what, fix=advice, severity=Severity.WARNING)


def _pixels(command: Command, around: Surroundings) -> int | None:
    """Pixels of the video to be generated: of the preprocessed one, else of the area it will be preprocessed to."""
    folder = command.path("src_root_path", around.base)
    track = read_video_track(folder / "src_pose.mp4") if folder else None
    if track:
        return track.width * track.height
    area = resolution_area(command.before)
    return area[0] * area[1] if area else None


RULES = (
    heads_divide,
    needs_torchrun,
    required_in_effect,
    same_work,
    given_twice,
    wrong_checkpoint_folder,
    sharded_on_cpu,
    help_needs_cuda,
    memory,
)

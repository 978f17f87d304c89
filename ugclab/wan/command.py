"""Build the pair of commands that does what is meant: preprocess, then generate, shell-quoted and ready to run."""

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from ugclab.errors import InputError
from ugclab.schema.base import Frozen
from ugclab.wan.arithmetic import Gpu, clips, effective_size, peak_memory_gb, sampled_frames, tokens
from ugclab.wan.checks.trap import ANIMATE
from ugclab.wan.extraction import GENERATE, PREPROCESS
from ugclab.wan.mp4 import read_video_track

Mode = Literal["replace", "animate"]
HEADS = 40  # wan_animate_14B.py: num_heads


class CommandPair(Frozen):
    """Two argument lists, to be run from the root of a checkout, and what they were chosen by."""

    preprocess: tuple[str, ...]
    generate: tuple[str, ...]
    reasons: tuple[str, ...] = ()

    def shell(self) -> str:
        """Both as a shell script: quoted, a flag a line."""
        return "\n\n".join(lines(words) for words in (self.preprocess, self.generate)) + "\n"


def build(
    mode: Mode,
    *,
    video: str,
    avatar: str,
    checkpoint: str,
    work: str,
    output: str,
    area: tuple[int, int] = (1280, 720),
    gpus: int = 1,
    gpu: Gpu | None = None,
    clip_length: int = 77,
    overlap: Literal[1, 5] = 1,
    steps: int | None = None,
    seed: int | None = None,
    relight: bool = True,
    retarget: bool = False,
    fps: int = 30,
    look: bool = True,
) -> CommandPair:
    """The pair for a source, an avatar and a checkpoint, fitted to the GPUs.

    Paths are taken as seen from the checkout's root. `work` is the folder between the two scripts. With `gpu`, what is
    needed to fit its memory is added; InputError says so where nothing fits, or where GPUs cannot share the work.
    `fps` is what is preprocessed; the result is written at 30 whatever it is.
    `look` reads the size and rate of the video where it is there.
    """
    if gpus < 1 or HEADS % gpus:
        raise InputError(f"{gpus} GPUs cannot share {HEADS} heads", hint="use 1, 2, 4, 5, 8, 10, 20 or 40")
    if min(area) < 16:
        raise InputError(f"an area of {area[0]} x {area[1]} is too small", hint="the usual ones: 1280 720, 832 480")
    if clip_length % 4 != 1 or clip_length <= overlap:
        raise InputError(f"a clip of {clip_length} frames cannot be generated", hint="use 4n+1, such as 77")
    reasons: list[str] = []
    if look:
        _look_at_source(Path(video), area, gpus, clip_length, overlap, reasons)
    preprocess = ["python", PREPROCESS, "--ckpt_path", f"{checkpoint.rstrip('/')}/process_checkpoint"]
    preprocess += ["--video_path", video, "--refer_path", avatar, "--save_path", work]
    preprocess += ["--resolution_area", str(area[0]), str(area[1])]
    preprocess += ["--fps", str(fps)] if fps != 30 else []
    generate = ["python", GENERATE] if gpus == 1 else ["torchrun", f"--nproc_per_node={gpus}", GENERATE]
    generate += ["--task", ANIMATE, "--ckpt_dir", checkpoint, "--src_root_path", work, "--refert_num", str(overlap)]
    if mode == "replace":
        preprocess += ["--replace_flag"]
        generate += ["--replace_flag", *(["--use_relighting_lora"] if relight else [])]
    elif retarget:
        preprocess += ["--retarget_flag"]
    if clip_length != 77:
        generate += ["--frame_num", str(clip_length)]
    if steps is not None:
        generate += ["--sample_steps", str(steps)]
    if seed is not None:
        generate += ["--base_seed", str(seed)]
    generate += _memory_flags(area, gpus, gpu, reasons)
    generate += ["--save_file", output]
    return CommandPair(preprocess=tuple(preprocess), generate=tuple(generate), reasons=tuple(reasons))


def _look_at_source(
    video: Path, area: tuple[int, int], gpus: int, clip_length: int, overlap: int, reasons: list[str]
) -> None:
    """Say what the source becomes, where its file can be read, and refuse what could not be generated."""
    track = read_video_track(video)
    if track is None:
        return
    size = effective_size(track.width, track.height, area)
    frames = sampled_frames(track.frames, float(track.rate), 30)
    count = tokens(size.width, size.height, clip_length)
    if count % gpus:
        fitting = [n for n in (1, 2, 4, 5, 8, 10, 20, 40) if count % n == 0 and n < gpus]
        raise InputError(
            f"{count} tokens a clip at {size.width}x{size.height} do not divide by {gpus} GPUs",
            hint=f"use {fitting[-1]} GPUs, or another area",
        )
    cut = clips(frames, clip_length, overlap)
    if frames < 2 or cut.count == 0:
        raise InputError(f"the source gives {frames} frames at 30 fps", hint="take a longer piece")
    reasons.append(
        f"{track.width}x{track.height} becomes {size.width}x{size.height} with {size.bars_px} px of black; "
        f"{frames} frames make {cut.count} clips of {clip_length} ({cut.wasted} frames are filled up and thrown away)"
    )


def _memory_flags(area: tuple[int, int], gpus: int, gpu: Gpu | None, reasons: list[str]) -> list[str]:
    sharing = ["--ulysses_size", str(gpus), "--dit_fsdp", "--t5_fsdp"] if gpus > 1 else []
    pixels = area[0] * area[1]
    shared = {"gpus": gpus, "shard_transformer": gpus > 1, "shard_t5": gpus > 1, "t5_stays": gpus > 1}
    needed = peak_memory_gb(pixels, **shared)  # type: ignore[arg-type]
    if gpu is None or needed <= gpu.memory_gb:
        reasons.append(f"about {needed:.0f} GB of GPU memory (model)" + (" on each GPU" if gpus > 1 else ""))
        return sharing
    on_cpu = peak_memory_gb(pixels, t5_cpu=True)
    if gpus == 1 and on_cpu <= gpu.memory_gb:
        reasons.append(
            f"--t5_cpu: about {on_cpu:.0f} GB instead of {needed:.0f} (model), {gpu.name} has {gpu.memory_gb:.0f}"
        )
        return ["--t5_cpu"]
    raise InputError(
        f"about {min(needed, on_cpu):.0f} GB are needed at {area[0]} x {area[1]} (model): "
        f"{gpu.name} has {gpu.memory_gb:.0f}",
        hint="use a smaller area, more GPUs, or a larger card",
    )


def lines(words: Sequence[str], quote: Callable[[str], str] = shlex.quote) -> str:
    """A command as shell. One flag a line, its values beside it."""
    rows = [[words[0]]]
    for word in words[1:]:
        starts = word.startswith("--") and not word.startswith("--nproc")
        rows.append([word]) if starts else rows[-1].append(word)
    return " \\\n    ".join(" ".join(map(quote, row)) for row in rows)

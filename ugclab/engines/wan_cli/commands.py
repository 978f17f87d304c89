"""The two commands of a segment: built, checked by all that is known of them, run, and what they wrote looked at."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path

import numpy as np

from ugclab.engines.base import Image, Monitor
from ugclab.engines.clips.files import counted, read_canvases
from ugclab.engines.clips.timing import FASTEST, Sampling
from ugclab.engines.wan_cli.place import Place, area_name, smaller
from ugclab.engines.wan_cli.process import Bars, out_of_memory, run_logged, tail
from ugclab.errors import EngineError, EngineUnavailable, FaceNotFound, UgclabError
from ugclab.wan.arithmetic import effective_size, peak_memory_gb
from ugclab.wan.checks import check_commands
from ugclab.wan.checks.trap import Surroundings
from ugclab.wan.command import CommandPair, build
from ugclab.wan.environment import read_environment
from ugclab.wan.extraction import read_contract
from ugclab.wan.launching import recognise
from ugclab.wan.problems import Problem, Severity

PREPROCESSING = 0.2
"""Share of a segment's time that preprocessing is taken for in the progress."""
FATAL = frozenset({"T27"})
"""Warnings that are errors here: a GPU that is there and not used makes a slow run, without a word."""
NO_FACE = ("cannot convert float NaN to integer", "!ssize.empty()", "!_src.empty()", "zero-size array")
"""What the preprocessing ends with where a frame shows no face or nobody: NaN, or an empty crop (T13, T14)."""
MASK, BACKGROUND = "src_mask.mp4", "src_bg.mp4"
"""Streams of the preprocessing: what is drawn, and what is given of the source."""
RATE = FASTEST
"""Frames a second of what the scripts are given and give back, whatever they stand for: they write 30 (T5)."""


@dataclass(frozen=True, slots=True)
class Files:
    """What one segment's commands read and write, all of it in a folder of its own (T30)."""

    folder: Path

    @property
    def video(self) -> Path:
        """Canvases at a constant rate, upright (T33, T34)."""
        return self.folder / "source.mp4"

    @property
    def avatar(self) -> Path:
        """A real PNG (T31)."""
        return self.folder / "avatar.png"

    @property
    def streams(self) -> Path:
        """What the preprocessing leaves for the generation; it makes the folder."""
        return self.folder / "streams"

    @property
    def output(self) -> Path:
        """The generated video."""
        return self.folder / "made.mp4"

    def log(self, step: str) -> Path:
        """What a script said."""
        return self.folder / f"{step}.log"


def fitting_area(canvas: tuple[int, int]) -> tuple[int, int]:
    """A --resolution_area under which the preprocessing leaves a canvas as it is.

    Its own arithmetic floors a square root, and 480 may come out as 479.99 and then as 464. Raises EngineError.
    """
    width, height = canvas
    for area in ((width + i, height + j) for i in range(3) for j in range(3)):
        found = effective_size(width, height, area)
        if (found.width, found.height, found.bars_px) == (width, height, 0):
            return area
    raise EngineError(f"the preprocessing cannot keep {width}x{height}", hint="use another UGCLAB_WAN_AREA")


def commands(
    place: Place, files: Files, canvas: tuple[int, int], sampling: Sampling, seed: int, *, look: bool = True
) -> CommandPair:
    """The pair for a segment; `look` reads the video, which is there then.

    Raises EngineUnavailable where the GPU is too small, with the next smaller setting.
    """
    needed = peak_memory_gb(canvas[0] * canvas[1], t5_cpu=True)
    if needed > place.gpu.memory_gb:
        raise EngineUnavailable(
            f"about {needed:.0f} GB of GPU memory are needed at {area_name(place.area)} (model), "
            f"{place.gpu.name} has {place.gpu.memory_gb:.0f}",
            hint=f"{smaller(area_name(place.area))}",
        )
    pair = build(
        "replace",
        video=str(files.video),
        avatar=str(files.avatar),
        checkpoint=str(place.checkpoint),
        work=str(files.streams),
        output=str(files.output),
        area=fitting_area(canvas),
        gpu=place.gpu,
        clip_length=sampling.clip_length,
        steps=place.steps or None,
        seed=seed,
        relight=place.relight,
        look=look,
    )
    python = str(place.python)
    return pair.model_copy(
        update={name: (python, *getattr(pair, name)[1:]) for name in ("preprocess", "generate")},
    )


def check(place: Place, *commands: Sequence[str], here: bool = False) -> list[str]:
    """Find what is wrong with commands before they are started; returns what is worth a warning.

    `here` says that their inputs are there. Raises EngineUnavailable with the worst finding and what to do.
    """
    contract, environment = read_contract(place.repo), read_environment(place.python)
    around = Surroundings(contract, place.repo, here=here, environment=environment, gpu=place.gpu)
    found = [one for words in commands if (one := recognise(words)) is not None]
    if len(found) != len(commands):
        raise EngineError("the commands of a segment are not recognised", hint=f"look at {place.python}: is it Python?")
    problems = check_commands(found, around)
    for problem in problems:
        if problem.severity is Severity.ERROR or problem.id in FATAL:
            raise _refusal(problem, place)
    return [f"{p.what} ({p.id})" for p in problems if p.severity is Severity.WARNING]


def _refusal(problem: Problem, place: Place) -> EngineUnavailable:
    hint = problem.fix
    if problem.id == "G1":
        hint = f"{smaller(area_name(place.area))}, or use a larger card"
    return EngineUnavailable(f"{problem.what} ({problem.id})", hint=hint)


def preprocess(place: Place, files: Files, canvas: tuple[int, int], sampling: Sampling, monitor: Monitor) -> None:
    """Run the first script alone, for another engine's generation. Raises as `run`."""
    pair = build(
        "replace",
        video=str(files.video),
        avatar=str(files.avatar),
        checkpoint=str(place.checkpoint),
        work=str(files.streams),
        output=str(files.output),
        area=fitting_area(canvas),
        clip_length=sampling.clip_length,
    )
    words = (str(place.python), *pair.preprocess[1:])
    check(place, words, here=True)
    _run_step(place, files, "preprocess", words, lambda text: None, lambda: monitor.step(0, 1000))


def _run_step(
    place: Place,
    files: Files,
    step: str,
    words: Sequence[str],
    told: Callable[[str], None],
    wanted: Callable[[], None],
) -> None:
    try:
        run_logged((words[0], "-u", *words[1:]), place.repo, files.log(step), told, wanted)
    except EngineError as error:
        raise _explained(step, error, place, files) from error


def run(
    place: Place, files: Files, pair: CommandPair, sampling: Sampling, monitor: Monitor, between: Callable[[], None]
) -> None:
    """Preprocess, do what is to be done to the streams `between`, generate.

    The pair is checked before, and each command with its files just before it starts.
    Raises FaceNotFound, EngineError, and Cancelled with nothing left running.
    """
    check(place, pair.preprocess, pair.generate)
    bars = Bars()

    def told(step: str) -> Callable[[str], None]:
        def read(text: str) -> None:
            if step == "generate":
                made = bars.read(text) / max(sampling.clips, 1)
                share = PREPROCESSING + (1 - PREPROCESSING) * min(made, 1.0)
                monitor.report(round(1000 * share), 1000)

        return read

    for step, words in (("preprocess", pair.preprocess), ("generate", pair.generate)):
        check(place, words, here=True)
        share = 0 if step == "preprocess" else round(1000 * PREPROCESSING)
        ticks = chain([share], repeat(0))

        def check_wanted(ticks: Iterator[int] = ticks) -> None:
            monitor.step(next(ticks), 1000)

        _run_step(place, files, step, words, told(step), check_wanted)
        if step == "preprocess":
            between()


def _explained(step: str, error: EngineError, place: Place, files: Files) -> UgclabError:
    text = tail(files.log(step), 200)
    if out_of_memory(text):
        return EngineError(
            f"the memory of {place.gpu.name} does not suffice at {area_name(place.area)}",
            hint=f"{smaller(area_name(place.area))}. Last words:\n{tail(files.log(step))}",
        )
    if step == "preprocess" and any(words in text for words in NO_FACE):
        return FaceNotFound(
            "the preprocessing finds no face, or nobody, in a frame of the segment",
            hint=f"choose other times, where the face is clear. Its last words:\n{tail(files.log(step))}",
        )
    return error


def made(files: Files, canvas: tuple[int, int], sampling: Sampling) -> Iterator[Image]:
    """The generated canvases (height, width, 4), the mask they were generated by as the fourth channel.

    Raises EngineError where there is no video, or not the one that was asked for (T5, T10).
    """
    wanted = len(sampling.times)
    hint = f"last words:\n{tail(files.log('generate'))}"
    if not files.output.is_file() or not files.output.stat().st_size:
        raise EngineError("generate.py ended with exit code 0 and wrote no video (T10)", hint=hint)
    frames, rate = counted(files.output)
    if frames != wanted or rate != RATE:
        raise EngineError(
            f"generate.py wrote {frames} frames at {float(rate):g} a second, {wanted} at {RATE} were asked for (T5)",
            hint=hint,
        )
    masks = read_canvases(files.streams / MASK, canvas)
    for picture, mask in zip(read_canvases(files.output, canvas), masks, strict=False):
        yield np.dstack([picture, mask[..., 0]])

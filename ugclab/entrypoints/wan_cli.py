"""`ugclab wan …`: commands that are verified, checkpoints that are whole. A Typer sub-app of the command line."""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, cast

import typer
from rich.console import Console
from rich.markup import escape

from ugclab.entrypoints import wan_tables
from ugclab.errors import InputError, UgclabError
from ugclab.wan.arithmetic import Gpu, find_gpu, peak_memory_gb
from ugclab.wan.checkpoint import CheckpointReport, damaged, verify
from ugclab.wan.checks import check_commands
from ugclab.wan.checks.catalogue import markdown
from ugclab.wan.checks.trap import Surroundings
from ugclab.wan.command import build
from ugclab.wan.contract import Contract, diff, snapshot
from ugclab.wan.environment import detect_gpu, read_environment
from ugclab.wan.extraction import read_contract
from ugclab.wan.launching import FoundCommand
from ugclab.wan.manifest import REPLACEMENT, Use
from ugclab.wan.problems import Problem, Severity, exit_code
from ugclab.wan.reading import commands_of, find_commands

app = typer.Typer(
    help="Verify Wan2.2 commands and checkpoints without a GPU.", no_args_is_help=True, add_completion=False
)
MISSING, DAMAGED = 40, 41  # as the error tree: weights, weights_corrupt


class Mode(StrEnum):
    """What a pair of commands does with the person."""

    REPLACE = "replace"
    ANIMATE = "animate"


Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Repo = Annotated[Path | None, typer.Option(help="A checkout of Wan2.2 to take the contract from.", file_okay=False)]


@app.command()
def contract(
    repo: Repo = None,
    changes: Annotated[
        bool, typer.Option("--diff", help="Show what the checkout changed against the package.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what generate.py and preprocess_data.py accept, and what they assert afterwards."""
    with _Errors():
        found = read_contract(repo) if repo else snapshot()
        if changes:
            _show_changes(found, as_json=as_json)
        elif as_json:
            print(found.model_dump_json(indent=2))  # noqa: T201
        else:
            _show_contract(found)


@app.command()
def command(
    mode: Annotated[Mode, typer.Argument(help="Replace the person of the video, or animate the picture by it.")],
    video: Annotated[str, typer.Option(help="The source video.")],
    avatar: Annotated[str, typer.Option(help="The reference picture.")],
    ckpt: Annotated[str, typer.Option(help="The checkpoint's folder.")] = "./Wan2.2-Animate-14B",
    work: Annotated[str, typer.Option(help="Folder for what the first command writes.")] = "./work",
    output: Annotated[str, typer.Option(help="The video to write.")] = "./result.mp4",
    area: Annotated[tuple[int, int], typer.Option(help="Pixel area as width and height.")] = (1280, 720),
    gpus: Annotated[int, typer.Option(help="GPUs that share one generation.")] = 1,
    gpu: Annotated[str, typer.Option(help="Name of the GPU to fit ('H100'), or 'auto'.")] = "",
    frames: Annotated[int, typer.Option(help="Frames a clip, 4n+1.")] = 77,
    steps: Annotated[int | None, typer.Option(help="Sampling steps; 20 if left out.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed; random if left out.")] = None,
    retarget: Annotated[bool, typer.Option(help="Fit the pose to the picture's proportions (animate).")] = False,
    as_json: Json = False,
) -> None:
    """Print the pair of commands that does what is meant, ready to run from a checkout's root."""
    with _Errors():
        card = _gpu(gpu)
        pair = build(
            mode.value,
            video=video,
            avatar=avatar,
            checkpoint=ckpt,
            work=work,
            output=output,
            area=area,
            gpus=gpus,
            gpu=card,
            clip_length=frames,
            steps=steps,
            seed=seed,
            retarget=retarget,
        )
        if as_json:
            print(pair.model_dump_json(indent=2))  # noqa: T201
        else:
            print(pair.shell(), end="")  # noqa: T201
            for reason in pair.reasons:
                Console(stderr=True).print(f"[dim]{escape(reason)}[/dim]", soft_wrap=True)
        problems = check_commands(
            find_commands(pair.shell()), Surroundings(contract=snapshot(), base=Path.cwd(), gpu=card)
        )
        _warn(problems)


@app.command()
def check(
    targets: Annotated[
        list[str],
        typer.Argument(
            help="Commands in quotes, or files that hold some: shell, notebook, README, Dockerfile; - is stdin."
        ),
    ],
    repo: Repo = None,
    ckpt: Annotated[Path | None, typer.Option(help="Verify this checkpoint too.")] = None,
    python: Annotated[Path | None, typer.Option(help="A Python environment to look into.")] = None,
    gpu: Annotated[str, typer.Option(help="A GPU's name, or 'auto' for this machine's.")] = "",
    here: Annotated[bool, typer.Option("--here", help="The commands run here: their inputs must exist.")] = False,
    as_json: Json = False,
) -> None:
    """Find what is wrong with Wan2.2 commands.

    Exits with 0 for nothing or notes only, 3 for warnings, 4 for errors.
    """
    with _Errors():
        around = Surroundings(
            contract=read_contract(repo) if repo else snapshot(),
            base=Path.cwd(),
            here=here,
            environment=read_environment(python) if python else None,
            gpu=_gpu(gpu),
        )
        commands = [found for target in targets for found in _commands(target)]
        if not commands:
            raise InputError("no Wan2.2 command was found", hint="a command runs generate.py or preprocess_data.py")
        problems = check_commands(commands, around)
        if ckpt:
            problems += verify(ckpt, _uses(commands)).problems
        if as_json:
            print(json.dumps({"problems": [problem.model_dump(mode="json") for problem in problems]}, indent=2))  # noqa: T201
        else:
            _show_problems(problems, commands)
    raise typer.Exit(exit_code(problems))


@app.command()
def checkpoint(
    folder: Annotated[Path, typer.Argument(help="The checkpoint's folder.", file_okay=False)],
    use: Annotated[
        list[str] | None, typer.Option(help="generate, relight, preprocess, replace; all if left out.")
    ] = None,
    hashes: Annotated[bool, typer.Option("--hashes", help="Compare hashes too: reads every byte.")] = False,
    area: Annotated[tuple[int, int], typer.Option(help="Pixel area to tell the GPU memory for.")] = (1280, 720),
    gpus: Annotated[int, typer.Option(min=1, help="GPUs that share one generation.")] = 1,
    t5_cpu: Annotated[bool, typer.Option("--t5-cpu", help="The text encoder runs on the CPU.")] = False,
    as_json: Json = False,
) -> None:
    """Verify a checkpoint: missing, cut off and damaged files, tokenizers, disk and GPU memory.

    Exits with 0 for a whole checkpoint, 40 where something is missing, 41 where something is damaged.
    """
    with _Errors():
        uses = tuple(use or REPLACEMENT)
        if unknown := [name for name in uses if name not in REPLACEMENT]:
            raise InputError(f"no use '{unknown[0]}'", hint="one of " + ", ".join(REPLACEMENT))
        report = verify(folder, cast(tuple[Use, ...], uses), hashes=hashes)
        shared = gpus > 1
        memory = peak_memory_gb(
            area[0] * area[1], gpus=gpus, t5_cpu=t5_cpu, t5_stays=shared, shard_transformer=shared, shard_t5=shared
        )
        if as_json:
            content = {**report.model_dump(mode="json"), "whole": report.whole, "vram_gb": round(memory, 1)}
            print(json.dumps(content, indent=2))  # noqa: T201
        else:
            _show_checkpoint(report, memory, area, gpus)
    if not report.whole:
        raise typer.Exit(DAMAGED if any(damaged(report)) else MISSING)


@app.command()
def traps(
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print the table of docs/wan22.md.")] = False,
) -> None:
    """List every trap that is looked for."""
    if as_markdown:
        print(markdown())  # noqa: T201
        return
    Console().print(wan_tables.traps())


class _Errors:
    """Turn an error of ours into one line and its exit code."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, UgclabError):
            Console(stderr=True).print(f"[bold red]error[/] {escape(str(error))}", soft_wrap=True)
            raise typer.Exit(error.exit_code) from error


def _commands(target: str) -> list[FoundCommand]:
    """The commands of an argument: a file's, stdin's, or the argument itself."""
    if target == "-":
        return find_commands(sys.stdin.read())
    try:
        is_file = Path(target).is_file()
    except (OSError, ValueError):
        is_file = False
    if is_file:
        try:
            return find_commands(Path(target).read_text(encoding="utf-8"), target)
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{target} cannot be read as text") from error
    found = commands_of(target)
    if not found and target.lower().endswith((".sh", ".ipynb", ".md", ".py", "dockerfile")):
        raise InputError(f"{target} does not exist")
    return found


def _gpu(name: str) -> Gpu | None:
    if name != "auto":
        return find_gpu(name) if name else None
    detected = detect_gpu()
    if detected is None:
        raise InputError("nvidia-smi shows no GPU here", hint="give its name: --gpu H100")
    return find_gpu(*detected)


def _uses(commands: list[FoundCommand]) -> tuple[Use, ...]:
    """What the commands need of a checkpoint."""
    uses: list[Use] = []
    for found in commands:
        replaces = any(word.startswith("--replace") for word in found.argv)
        if found.script == "generate":
            uses += ["generate"]
            uses += ["relight"] if any(word.startswith("--use_r") for word in found.argv) else []
        else:
            uses += ["preprocess"]
            uses += ["replace"] if replaces else []
    return tuple(dict.fromkeys(uses))


def _show_contract(found: Contract) -> None:
    console = Console()
    console.print(f"[bold]Wan2.2[/] at {found.commit[:10] or 'an unknown commit'}", highlight=False)
    for script in (found.generate, found.preprocess):
        if script is not None:
            console.print(wan_tables.flags(script))
    console.print(wan_tables.rules(found), wan_tables.tasks(found))


def _show_changes(found: Contract, *, as_json: bool) -> None:
    changes = diff(snapshot(), found)
    if as_json:
        print(json.dumps({"changes": [change.model_dump(mode="json") for change in changes]}, indent=2))  # noqa: T201
        return
    title = f"{snapshot().commit[:10]} → {found.commit[:10] or 'checkout'}"
    Console().print(wan_tables.changes(changes, title) if changes else "no difference")


def _show_problems(problems: list[Problem], commands: list[FoundCommand]) -> None:
    console = Console()
    counts = {severity: sum(p.severity is severity for p in problems) for severity in Severity}
    if problems:
        console.print(wan_tables.problems(problems, commands))
    plural = "" if len(commands) == 1 else "s"
    told = ", ".join(f"{count} {severity}{'' if count == 1 else 's'}" for severity, count in counts.items())
    console.print(f"{len(commands)} command{plural}: {told}", highlight=False)


def _warn(problems: list[Problem]) -> None:
    console = Console(stderr=True)
    for problem in problems:
        if problem.severity is not Severity.NOTE:
            colour = wan_tables.COLOURS[problem.severity]
            console.print(f"[{colour}]{problem.id} {problem.severity}[/] {escape(problem.what)}", soft_wrap=True)


def _show_checkpoint(report: CheckpointReport, memory: float, area: tuple[int, int], gpus: int) -> None:
    console = Console()
    if report.problems:
        console.print(wan_tables.folder(report.problems))
    state = "[green]whole[/]" if report.whole else "[bold red]not whole[/]"
    console.print(f"{escape(str(report.folder))}: {state} for {', '.join(report.uses)}", highlight=False)
    gib = 2**30
    console.print(
        f"  {report.present_bytes / gib:.1f} GiB present, {report.missing_bytes / gib:.1f} GiB known to be missing, "
        f"{report.extra_bytes / gib:.1f} GiB not needed, {report.free_bytes / gib:.1f} GiB free",
        highlight=False,
    )
    if report.parameters:
        kinds = ", ".join(report.dtypes)
        console.print(f"  transformer: {report.parameters:,} parameters in {kinds}", highlight=False)
    each = f" on each of {gpus} GPUs" if gpus > 1 else ""
    console.print(f"  about {memory:.0f} GB of GPU memory at {area[0]} x {area[1]}{each} (model)", highlight=False)
    if report.hashed:
        console.print(f"  {report.hashed} hashes compared", highlight=False)


if __name__ == "__main__":
    app()

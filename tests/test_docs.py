"""What the documents say is what the code does: generated parts are compared, commands and code are run.

`python -m tests.test_docs` (make docs) writes the generated parts.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.entrypoints.airtable.test_blueprints import write_templates
from tests.face_clips import write_clip
from ugclab import errors
from ugclab.bench.prices import Dated, load_prices
from ugclab.bench.results import read_benchmark, summarise
from ugclab.bench.tables import roads_table
from ugclab.engines.registry import catalogue
from ugclab.entrypoints.cli import main
from ugclab.settings import Settings
from ugclab.weights import hub

ROOT = Path(__file__).parents[1]
COMMANDS = (
    *("", "swap", "demo", "probe", "plan", "prepare", "preview", "engines", "doctor"),
    *("models", "models list", "models pull", "models verify", "models export", "models import"),
    *(
        "submit",
        "worker",
        "jobs",
        *(f"jobs {word}" for word in ("list", "show", "watch", "cancel", "retry", "fetch", "delete", "purge")),
    ),
    *("airtable", *(f"airtable {word}" for word in ("init", "submit", "watch", "sync", "make"))),
    *("app", "account", "start", "health", "licences", "space"),
    *("serve", "keys", "keys create", "keys list", "keys revoke"),
    *("store", "store ls", "store rm", "store url"),
    *("bench", "bench run", "bench compare", "bench scenarios", "bench estimate", "bench fit", "bench calibrate"),
)
PARTS = {
    "README.md": ("engines", "figures"),
    "docs/settings.md": ("settings", "exit codes"),
    "docs/figures.md": ("benchmark",),
    "docs/deploy.md": ("rents",),
}
MEASURED = ROOT / "benchmarks/results/bench-cpu.json"


HELP = """
import sys
from ugclab.entrypoints.cli import main
for command in sys.argv[1:]:
    print(chr(0), end="")
    try:
        main([*command.split(), "--help"])
    except SystemExit as left:
        assert not left.code, command
"""


def cli_markdown() -> str:
    """The help of every command, as it is shown 100 columns wide; all in one process that knows no other width."""
    surroundings = os.environ | {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb", "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-c", HELP, *COMMANDS]
    done = subprocess.run(words, capture_output=True, text=True, env=surroundings, check=True, cwd=ROOT)
    lines = ["# Command line", "", "Generated from `--help` by `make docs`."]
    for command, shown_text in zip(COMMANDS, done.stdout.split("\0")[1:], strict=True):
        text = "\n".join(line.rstrip() for line in shown_text.strip().splitlines())
        lines += ["", f"## ugclab {command}".rstrip(), "", "```text", text, "```"]
    return "\n".join(lines) + "\n"


def part(name: str) -> str:
    """A generated part of the README."""
    if name == "engines":
        rows = [
            (f"`{i.name}`", i.summary, i.replaces, i.licences.code, i.licences.weights, i.commercial_use)
            for i in (engine.info for engine in catalogue())
        ]
        return table(("engine", "what it does", "replaces", "code", "weights", "commercial use"), rows)
    if name == "settings":
        rows = [
            (f"`UGCLAB_{field.upper()}`", shown(info.default), str(info.description or ""))
            for field, info in Settings.model_fields.items()
        ]
        return table(("variable", "default", "what it is"), rows)
    if name == "rents":
        return rents()
    if name in {"figures", "benchmark"}:
        return figures() if name == "figures" else "\n".join(roads_table(read_benchmark(MEASURED)))
    kinds = [("0", "", "done"), ("1", "", "a fault of ours: run it again with `--debug`"), ("2", "", "wrong usage")]
    kinds += [(str(e.exit_code), f"`{e.code}`", str(e.__doc__).split("\n")[0]) for e in tree(errors.UgclabError)][1:]
    return table(("code", "name", "meaning"), kinds)


def figures() -> str:
    """The README's sentence about cost, from what was measured."""
    benchmark = read_benchmark(MEASURED)
    found = {(s.scenario, s.label): s for s in summarise(benchmark)}
    (scenario,) = {s for s in benchmark.scenarios if s.name == "ugc-30s"}
    warm, cold, floor, images = (
        found[scenario.name, road] for road in ("ugclab, warm", "ugclab, cold", "plain transcode", "frame by frame")
    )
    here = benchmark.machine.environment
    return (
        f"On {here.cores} shared cores without a GPU, {scenario.title.split(',')[0]} with two segments of 5 s take "
        f"{warm.cpu_s.median:.1f} s of CPU warm (peak {warm.peak_rss_mb.median:.0f} MB) and {cold.cpu_s.median:.1f} s "
        f"cold,\nwhere a plain transcode takes {floor.cpu_s.median:.1f} s and the way by single pictures "
        f"{images.cpu_s.median:.0f} s with the same engine:\n`ugclab bench run`, [figures](docs/figures.md)."
    )


def rents() -> str:
    """What machines with a GPU cost, from the packaged prices; a star marks those much older than the newest."""
    prices = load_prices().gpus
    dates = [kind.date for row in prices for kind in (row.serverless, row.pod) if kind]

    def told(price: float, unit: str, kind: Dated) -> str:
        return f"${price:g} {unit}, {kind.date}{'*' if kind.stale(max(dates)) else ''}"

    rows = [
        (
            row.gpu,
            f"{row.vram_gb:g} GB",
            row.provider,
            told(row.serverless.flex_usd_s, "a second", row.serverless) if row.serverless else "",
            told(row.serverless.flex_usd_s * 3600, "an hour", row.serverless).split(",")[0] if row.serverless else "",
            told(row.pod.usd_h, "an hour", row.pod) if row.pod else "",
        )
        for row in prices
    ]
    return table(("GPU", "memory", "at", "serverless", "that is", "Pod"), rows)


def shown(default: object) -> str:
    if isinstance(default, tuple):
        return ",".join(f"{value:g}" if isinstance(value, float) else str(value) for value in default) or "(empty)"
    return (f"{default:g}" if isinstance(default, float) else str(default)) or "(empty)"


def tree(kind: type[errors.UgclabError]) -> Iterator[type[errors.UgclabError]]:
    yield kind
    for sub in kind.__subclasses__():
        yield from tree(sub)


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def generated(document: str) -> str:
    text = (ROOT / document).read_text()
    for name in PARTS[document]:
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.S)
        assert pattern.search(text), name
        text = pattern.sub(lambda found, name=name: found[1] + part(name) + "\n" + found[2], text)
    return text


@pytest.mark.parametrize("document", PARTS)
def test_the_generated_parts_are_up_to_date(document: str) -> None:
    assert (ROOT / document).read_text() == generated(document), "type: make docs"


def test_the_command_lines_help_is_up_to_date() -> None:
    assert (ROOT / "docs/cli.md").read_text() == cli_markdown(), "type: make docs"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(), re.S)


@pytest.fixture
def here(tmp_path: Path, avatar: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files the README speaks of: 16 s at 3 frames a second."""
    weights = [n for e in catalogue() if e.info.name == "mesh" for n in e.info.weights]
    if any(s.state != "ok" for s in hub.verify(weights, Settings().weights_dir)):
        pytest.skip("the mesh engine's model files are not here: ugclab models pull")
    write_clip(tmp_path / "in.mp4", frames=48, rate=3, audio=True)
    for name in ("base.json", "new.json"):
        shutil.copy(MEASURED, tmp_path / name)
    shutil.copy(avatar, tmp_path / "me.jpg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UGCLAB_DATA_DIR", str(tmp_path / "data"))
    return tmp_path


def test_the_readmes_commands_run(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    commands = [shlex.split(line, comments=True) for block in blocks("sh") for line in block.splitlines() if line]
    assert len(commands) >= 6
    for program, *words in commands:
        assert program == "ugclab"
        if words[0] == "worker":  # a process that is to be alone in its process
            command = [sys.executable, "-m", "ugclab", *words]
            subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=100)
            continue
        with pytest.raises(SystemExit) as left:
            main(words)
        assert left.value.code == 0, (words, capfd.readouterr().err)
    assert {"out.mp4", "sheet.png", "report.json", "frame.png"} <= {p.name for p in here.iterdir()}


def test_the_readmes_python_runs(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = blocks("python")
    exec(compile(code, "README.md", "exec"), {})  # noqa: S102 our own document
    assert "frames swapped in" in capsys.readouterr().out
    assert (here / "out.mp4").exists()


def test_the_readmes_links_lead_somewhere() -> None:
    for document in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", document.read_text()):
            assert (ROOT / link).exists(), f"{document.name}: {link}"


def test_the_two_commands_are_targets() -> None:
    assert re.findall(r"^    make (\S+)", (ROOT / "README.md").read_text(), re.M) == ["demo", "test"]
    makefile = (ROOT / "Makefile").read_text()
    for target in ("demo", "test", "test-heavy", "check", "bench", "clean"):
        assert re.search(rf"^{target}:.*## ", makefile, re.M), target


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / "constraints" / f"{name}.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


def test_the_pins_agree_and_cover_what_is_asked_for() -> None:
    app, dev = pins("app"), pins("dev")
    assert app.items() <= dev.items()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + [line for extra in project["optional-dependencies"].values() for line in extra]
    names = {re.split(r"[^A-Za-z0-9._-]", line)[0].lower().replace("_", "-") for line in wanted}
    # The builds for CPUs and for GPUs fill the same folder: an environment has one of them.
    pinned = dev | pins("inswapper") | pins("inswapper-gpu") | pins("serverless")
    assert pins("inswapper").items() <= dev.items()
    serverless = pins("serverless")
    assert "gradio" not in serverless
    differing = {name for name in app.keys() & serverless.keys() if app[name] != serverless[name]}
    assert differing == {"tomlkit"}, "that gradio and runpod want others is why there are two environments"
    assert names <= {name.lower().replace("_", "-") for name in pinned}
    base = {re.split(r"[^A-Za-z0-9._-]", line)[0].lower() for line in project["dependencies"]}
    assert base <= {name.lower().replace("_", "-") for name in app}


def write() -> None:
    """Write what is generated; the picture is taken from the demo's last run."""
    from PIL import Image

    for document in PARTS:
        (ROOT / document).write_text(generated(document))
    (ROOT / "docs/cli.md").write_text(cli_markdown())
    write_templates()
    sheet = ROOT / "out/demo/demo.png"
    if sheet.exists():
        Image.open(sheet).convert("RGB").save(ROOT / "docs/demo.jpg", quality=88, optimize=True, progressive=True)


if __name__ == "__main__":
    write()

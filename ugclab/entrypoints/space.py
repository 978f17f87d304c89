"""`ugclab space`: the folder of a Hugging Face Space: the page on its CPU, with a GPU elsewhere where one is named.

A Space's packages are installed from its requirements.txt alone, without the other files of its folder: a wheel beside
it would not be found. So ugclab comes along as a folder next to app.py, or from an address that pip knows. There is no
packages.txt: nothing has to come from Debian.
"""

import re
import shutil
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from typing import Literal

import ugclab
from ugclab.errors import InputError
from ugclab.media.output import writing
from ugclab.schema.base import Frozen

SHORT_DESCRIPTION = "A person's face in chosen segments of a video"
"""At most 60 characters, as the Hub shows them."""


class Space(Frozen):
    """What a Space is to be like."""

    title: str = "ugclab"
    engine_url: str = ""
    """Of a machine with a GPU: the engine `remote` sends segments there."""
    engine_kind: Literal["contract", "runpod"] = "contract"
    package: str = ""
    """Where pip gets ugclab from, as `ugclab[ui] @ git+https://…`; empty: the package as it runs here comes along."""


def write_space(folder: Path, space: Space, *, force: bool = False) -> list[str]:
    """Write the folder, and return its files' names. Raises InputError, OutputError and DiskFull.

    What is in the folder already is only replaced with `force`, and then only what a Space of ours consists of.
    """
    _check(space)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        strangers = [path.name for path in folder.iterdir() if path.name != ".git"]
        if strangers and not force:
            raise InputError(f"{folder} is not empty", hint="choose another folder, or --force to renew a Space in it")
        texts = {
            "README.md": _readme(space),
            "app.py": _app(space),
            "requirements.txt": _requirements(space),
            ".gitattributes": "".join(
                f"*.{kind} filter=lfs diff=lfs merge=lfs -text\n" for kind in ("mp4", "jpg", "npz")
            ),
            "LICENSE": _own("LICENSE"),
            "NOTICE": _own("NOTICE"),
        }
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        shutil.rmtree(folder / "ugclab", ignore_errors=True)
        if not space.package:
            shutil.copytree(
                Path(ugclab.__file__).parent, folder / "ugclab", ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
            )
    return [*texts, *(() if space.package else ("ugclab/",))]


def pins() -> list[str]:
    """The base and the page, each package with its version, as they were tested."""
    lines = files("ugclab.entrypoints").joinpath("pins.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _check(space: Space) -> None:
    if space.engine_url and not _ADDRESS.fullmatch(space.engine_url):
        raise InputError(f"'{space.engine_url}' is no https:// address", hint="as https://gpu.example.com")
    if not space.title.strip() or not space.title.isprintable():
        raise InputError("the title is empty or holds what cannot be printed", hint="give a line of text")
    if space.package and not _PACKAGE.fullmatch(space.package):
        raise InputError(f"'{space.package}' does not bring the page", hint=f"as {_EXAMPLE}")


_ADDRESS = re.compile(r"https://[A-Za-z0-9._~:/%?&=-]+")
"""It becomes part of a program and of a page: nothing in it may end a string or a line."""
_PACKAGE = re.compile(r"ugclab\[([a-z0-9-]+,)*ui(,[a-z0-9-]+)*\] *(@ *(git\+)?https://[^\s;#]+|==[0-9a-z.+!]+)")
_EXAMPLE = "'ugclab[ui] @ git+https://github.com/NAME/ugclab@v0.1.0'"


def _own(name: str) -> str:
    """A file of licences: of the checkout, or of the installed package."""
    beside = Path(ugclab.__file__).parents[1] / name
    if beside.is_file():
        return beside.read_text(encoding="utf-8")
    return metadata.distribution("ugclab").read_text(f"licenses/{name}") or ""


def _requirements(space: Space) -> str:
    how = "from there" if space.package else "as the folder ugclab beside app.py: a Space's build sees this file alone"
    lines = [f"# Written by `ugclab space`. ugclab comes {how}.", *([space.package] if space.package else []), *pins()]
    return "\n".join(lines) + "\n"


def _app(space: Space) -> str:
    """What a Space has other than a laptop, as settings; its own variables and secrets go first."""
    own = [("UGCLAB_HOST", "0.0.0.0"), ("UGCLAB_LOG_JSON", "1")]  # noqa: S104
    if space.engine_url:
        own += [("UGCLAB_REMOTE_URL", space.engine_url), ("UGCLAB_REMOTE_KIND", space.engine_kind)]
    return "\n".join(
        [
            "import os",
            "",
            *(f'os.environ.setdefault("{name}", "{value}")' for name, value in own),
            'if os.access("/data", os.W_OK):  # a bucket is attached',
            '    os.environ.setdefault("UGCLAB_STORE_ROOT", "/data/ugclab")',
            "",
            "from ugclab.entrypoints.ui import build_app",
            "",
            "build_app().launch()",
            "",
        ]
    )


def _front_matter(space: Space) -> str:
    versions = dict(line.split("==") for line in pins())
    title = space.title.replace("'", "''")
    fields = {
        "title": f"'{title}'",
        "emoji": "🎬",
        "colorFrom": "gray",
        "colorTo": "indigo",
        "sdk": "gradio",
        "sdk_version": versions["gradio"],
        "python_version": "'3.11'",
        "app_file": "app.py",
        "fullWidth": "true",
        "pinned": "false",
        "license": "apache-2.0",
        "suggested_hardware": "cpu-upgrade",
        "short_description": SHORT_DESCRIPTION,
        "tags": "[video, face-swap, Wan2.2]",
    }
    return "\n".join(["---", *(f"{name}: {value}" for name, value in fields.items()), "---"])


def _readme(space: Space) -> str:
    gpu = (
        f"The engine `remote` has segments swapped at\n{space.engine_url}, where it is chosen; the key is the secret "
        "`UGCLAB_REMOTE_KEY`."
        if space.engine_url
        else "To swap on a GPU elsewhere set\n`UGCLAB_REMOTE_URL` and the secret `UGCLAB_REMOTE_KEY`, and choose the "
        "engine `remote` on the page."
    )
    return f"""{_front_matter(space)}

# {space.title.strip()}

Put a person's face into chosen segments of a video, leave the rest untouched, and know what every second of it cost.
The engine `mesh` runs on this Space's CPU. {gpu}

**A Space of your own**: add `?duplicate=true` to this page's address. Then set, in Settings, Variables and secrets:

| name | as | what for |
| --- | --- | --- |
| `UGCLAB_S3_BUCKET`, `AWS_REGION`, `AWS_ENDPOINT_URL_S3` | variables | results outlive the Space on S3 |
| `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` | secrets | of that bucket alone |
| `UGCLAB_DATABASE_URL` | secret | a Postgres: jobs, too, outlive a restart |
| `UGCLAB_REMOTE_URL` | variable | a machine with a GPU |
| `UGCLAB_REMOTE_KEY` | secret | its key |
| `UGCLAB_ACCOUNTS` | variable | file of who may log in; without it each browser is somebody |
| `UGCLAB_PUBLIC_URL` | variable | this Space's own address, for links in webhooks |

Jobs are in a database on this Space's own disk, and a restart of the Space forgets them, unless a Postgres is named.
Results are on S3, or in `/data` where a bucket is attached there, or else on the same disk and go with it.

Use it with the consent of everybody shown. Every result says in its metadata that faces were replaced.

ZeroGPU is no more than an experiment, and was not tried: it lends its GPU to decorated functions of the page's own
process, for a minute, on other versions of Python; engines here run in a worker's process, as long as a segment takes.
"""

"""The command and the call that do a job again are the ones that make the same request."""

import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import ugclab
from ugclab.entrypoints.cli import app
from ugclab.entrypoints.recipe import python_call, shell_line
from ugclab.pipeline.plan import SwapRequest
from ugclab.schema.job import Consent, FaceSelector, FaceTransformInput, Principal, Request, SwapOptions
from ugclab.schema.media import Asset

AGREED = Consent(kind="own-face")


def asset(name: str) -> Asset:
    return Asset(
        key=f"users/a/projects/b/source/{name}", name=name, sha256="a" * 64, size_bytes=1, media_type="video/mp4"
    )


CASES: dict[str, dict[str, Any]] = {
    "nothing special": {},
    "everything": {
        "plan": "0-1:swap,1-2.5:keep",
        "engine": "tint",
        "options": SwapOptions(
            face=FaceSelector(kind="index", index=2),
            eyewear="cover",
            stitch="full",
            crf=23,
            watermark="it's “altered”\\n $HOME",
            tone_map=True,
            min_swapped=0.25,
            seed=7,
        ),
    },
    "odd names": {"source": asset('-my clip\'s "best" $(rm) take.mp4'), "plan": "faces"},
    "a photo": {
        "photo": asset("her face.png"),
        "options": SwapOptions(face=FaceSelector(kind="like", photo="/srv/x.png")),
    },
    "an address": {"source": "https://u:secret@host.example/films/a%20film.mp4?token=secret#t"},
}


def request_of(case: dict[str, Any]) -> Request:
    given = {"source": asset("clip.mp4"), "avatar": asset("me.jpg")} | case
    inputs = {name: given.pop(name) for name in ("source", "avatar", "photo", "plan") if name in given}
    return Request(input=FaceTransformInput(**inputs), principal=Principal(user="ann"), consent=AGREED, **given)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[SwapRequest]:
    """What would have been run."""
    found: list[SwapRequest] = []

    def run(request: SwapRequest, *_: Any, **__: Any) -> None:
        found.append(request)
        raise ugclab.UgclabError("that is enough")

    monkeypatch.setattr("ugclab.entrypoints.library.run", run)  # imports it first: it must not find the other replaced
    monkeypatch.setattr("ugclab.pipeline.run.run", run)
    return found


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_both_make_the_same_request(case: dict[str, Any], asked: list[SwapRequest]) -> None:
    request = request_of(case)
    line = shell_line(request)
    CliRunner().invoke(app, shlex.split(line.replace(" \\\n", " "))[1:])
    with pytest.raises(ugclab.UgclabError, match="enough"):
        exec(python_call(request), {})  # noqa: S102
    by_shell, by_python = asked
    assert by_shell.model_copy(update={"source": Path(by_shell.source)}) == by_python
    assert (by_shell.plan, by_shell.engine) == (request.input.plan, request.engine)
    photo = {"photo": "her face.png"} if request.options.face.photo else {}
    wanted = request.options.model_copy(update={"face": request.options.face.model_copy(update=photo)})
    assert by_shell.options == wanted
    assert by_shell.avatar == Path("me.jpg")
    assert "secret" not in line + python_call(request)


def test_what_is_default_is_not_said() -> None:
    assert shell_line(request_of({})) == "ugclab swap clip.mp4 me.jpg \\\n  -o clip-swapped.mp4"
    assert python_call(request_of({})) == (
        "import ugclab\n\nugclab.swap(\n    'clip.mp4',\n    'me.jpg',\n    out='clip-swapped.mp4',\n)"
    )

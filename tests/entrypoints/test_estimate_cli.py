"""`ugclab bench estimate` and `fit` as a person and a script meet them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.face_clips import write_clip
from ugclab.entrypoints.cli import main

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """6 s of 640x640 at 5 frames a second."""
    return write_clip(tmp_path_factory.mktemp("video") / "v.mp4", frames=30, rate=5, width=640, height=640)


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str], video: Path) -> Call:
    monkeypatch.setenv("UGCLAB_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("UGCLAB_USD_PER_HOUR", raising=False)

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(["bench", words[0], "--source", str(video), *words[1:]])
        said = capfd.readouterr()
        return int(left.value.code or 0), said.out, said.err

    return run


def test_the_embedded_engine_here(call: Call) -> None:
    code, out, _ = call("estimate", "--usd-per-hour", "0.36")
    assert code == 0
    assert "mesh on this machine" in out
    assert "segment 0: 25 frames" in out
    code, out, _ = call("estimate", "--json")
    (option,) = json.loads(out)["options"]
    assert (option["engine"], option["usd"], option["weakest"]) == ("mesh", None, "measured")


def test_one_gpu_explained(call: Call) -> None:
    code, out, _ = call("estimate", "--gpu", "rtx4090", "--picture", "crop 512", "--explain")
    assert code == 0
    assert "RTX 4090 pod: crop 512, 5 frames/s, 4 steps, fp8, warm" in out
    assert "RTX 4090 serverless" in out
    assert "forward s    = linear TFLOP" in out
    assert "older than 90 days" in out
    assert "RTX 4090 fp8.linear" in out


def test_json_for_a_script(call: Call) -> None:
    code, out, _ = call("estimate", "--engine", "wan-animate", "--provision", "pod", "--explain", "--json")
    document = json.loads(out)
    assert code == 0
    assert document["schema_version"] == 1
    assert document["source"]["swapped_s"] == 5
    assert {o["provision"] for o in document["options"]} == {"pod"}
    assert document["constants"]["H100 fp8.linear"]["provenance"] == "assumed"
    option = document["options"][0]
    assert option["price"]["source"]
    assert isinstance(option["price"]["stale"], bool)
    assert option["seconds"] == pytest.approx(sum(option["breakdown"].values()), abs=0.2)


def test_a_price_of_ones_own(call: Call) -> None:
    code, out, _ = call("estimate", "--gpu", "RTX 6000 Ada", "--usd-per-hour", "0.8", "--json")
    (option,) = json.loads(out)["options"]
    assert (code, option["provision"], option["price"]["source"]) == (0, "own", "--usd-per-hour")
    assert option["usd"] == pytest.approx(option["seconds"] * 0.8 / 3600, rel=0.01)


def test_fit(call: Call) -> None:
    code, out, _ = call("fit", "--budget", "0.05", "--deadline", "300")
    assert code == 0
    assert "settings meet both; the cheapest:" in out
    assert "for comparison:" in out
    assert "not predicted: B200" in out
    code, out, _ = call("fit", "--budget", "0.05", "--deadline", "300", "--json")
    document = json.loads(out)
    assert (code, document["nearest"]) == (0, None)
    options = document["options"]
    assert any(o["meets_both"] for o in options)
    assert all(set(o["provenance"].values()) <= {"measured", "published", "assumed"} for o in options)
    code, out, _ = call("fit", "--budget", "0.0001", "--deadline", "1")
    assert code == 0
    assert "nothing meets $0.0001 and 1 s; the nearest" in out
    code, out, _ = call("fit", "--budget", "0.0001", "--deadline", "1", "--json")
    assert json.loads(out)["nearest"]["lacks"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("estimate", "--gpu", "H101"), 10, "did you mean H100"),
        (("estimate", "--gpu", "B200"), 10, "no rates are known for the GPU 'B200'"),
        (("estimate", "--gpu", "RTX 6000 Ada"), 10, "no price is known for the GPU 'RTX 6000 Ada'"),
        (("estimate", "--gpu", "RTX 5090", "--provision", "serverless"), 10, "no serverless price is known"),
        (("estimate", "--gpu", "L4", "--precision", "fp4"), 10, "known there: bf16, fp8"),
        (("estimate", "--gpu", "L4", "--precision", "int3"), 10, "there is no precision 'int3'"),
        (("estimate", "--gpu", "L4", "--picture", "8k"), 10, "one of 480p"),
        (("estimate", "--gpu", "L4", "--frame-rate", "24"), 10, "the source has 5 frames a second"),
        (("estimate", "--engine", "mesh", "--gpu", "L4"), 10, "runs on a CPU"),
        (("estimate", "--engine", "wan-animate", "--usd-per-hour", "1"), 10, "name it with --gpu"),
        (("estimate", "--engine", "messh"), 10, "did you mean mesh"),
        (("estimate", "--plan", "0-0:swap,0-end:keep"), 12, "has no length"),
        (("estimate", "--plan", "0-end:keep"), 12, "swaps nothing"),
        (("fit", "--budget", "0"), 10, "can meet nothing"),
        (("fit", "--budget", "nan"), 10, "can meet nothing"),
        (("fit", "--deadline", "inf"), 10, "can meet nothing"),
        (("estimate", "--gpu", "L4", "--frame-rate", "inf"), 10, "are numbers"),
        (("fit", "--plan", "0-99:swap"), 12, "beyond"),
    ],
)
def test_bad_input(call: Call, words: tuple[str, ...], code: int, message: str) -> None:
    left, out, err = call(*words)
    assert (left, out) == (code, "")
    assert message in err
    assert "Traceback" not in err


def test_a_table_of_another_version(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "prices.yaml").write_text("schema_version: 2\n")
    monkeypatch.setenv("UGCLAB_BENCH_DIR", str(tmp_path))
    code, _, err = call("fit")
    assert (code, "schema_version 2, this ugclab reads 1" in err) == (10, True)

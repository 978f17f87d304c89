"""What the page knows beside jobs: engines and their model files, time and cost, Wan2.2 commands; who may fetch."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.conftest import ROOT
from ugclab.engines.registry import catalogue
from ugclab.entrypoints.ui import pulls as pulling
from ugclab.entrypoints.ui.figures import Figures
from ugclab.entrypoints.ui.identity import hash_password
from ugclab.entrypoints.ui.traps import LONGEST_TEXT
from ugclab.entrypoints.ui.workbench import Workbench
from ugclab.settings import Settings
from ugclab.weights import hub
from ugclab.weights.catalog import CATALOG, ModelFile, UrlSource
from ugclab.weights.fetch import sha256_of

Open = Callable[..., TestClient]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """A page with settings of its own, asked from this machine."""
    made: list[Workbench] = []

    def page(**given: Any) -> TestClient:
        given = {"data_dir": tmp_path / "data", "cache_dir": tmp_path / "cache", "ui_worker": "off"} | given
        made.append(Workbench(Settings(**given)))
        return TestClient(made[-1].app, base_url="http://127.0.0.1:7860", client=("127.0.0.1", 50000))

    yield page
    for bench in made:
        bench.shelf.pulls.stop()
        bench.queue.close()


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Model files that mesh needs, small and made here, in a folder to fetch them from."""
    folder = tmp_path / "mirror"
    for engine in catalogue():
        for name in engine.info.weights:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(name.encode() * 50)
            made = ModelFile(
                name=name,
                size_bytes=path.stat().st_size,
                sha256=sha256_of(path),
                licence="CC0-1.0",
                sources=(UrlSource(url="https://models.invalid/x"),),
                used_by=("mesh",),
            )
            monkeypatch.setitem(CATALOG, name, made)
    return folder


def settled(page: TestClient, name: str) -> dict[str, Any]:
    for _ in range(200):
        found: dict[str, Any] = page.get("/desk/shelf/pulls").json()[name]
        if found["state"] != "running":
            return found
        time.sleep(0.02)
    raise AssertionError(found)


def engine(page: TestClient, name: str = "mesh") -> dict[str, Any]:
    return next(e for e in page.get("/desk/shelf").json()["engines"] if e["name"] == name)


def test_every_engine_is_shown_as_its_card_says(opened: Open, mirror: Path) -> None:
    page = opened()
    shown = page.get("/desk/shelf").json()
    assert sorted(e["name"] for e in shown["engines"]) == sorted(e.info.name for e in catalogue())
    ready = [e["availability"]["ready"] for e in shown["engines"]]
    assert ready == sorted(ready, reverse=True), "what can run here comes first"
    assert set(ready) == {True, False}
    mesh = engine(page)
    assert mesh["replaces"] == "face"
    assert mesh["licences"]["code"] == "Apache-2.0"
    assert [f["state"] for f in mesh["files"]] == ["absent"] * len(mesh["files"])
    assert mesh["availability"]["to_fetch_mb"] > 0
    assert shown["checkpoint"]["state"] == "absent"
    assert shown["checkpoint"]["size_bytes"] > 50e9


def test_what_can_run_here_comes_first_where_an_engine_is_chosen(opened: Open) -> None:
    ready = [e["availability"]["ready"] for e in opened().get("/desk/engines").json()]
    assert ready == sorted(ready, reverse=True)
    assert set(ready) == {True, False}


def test_an_engine_that_cannot_run_says_what_to_type_and_no_place_of_the_machine(
    opened: Open, mirror: Path, tmp_path: Path
) -> None:
    page = opened(offline=True)
    state = engine(page)["availability"]
    assert not state["ready"]
    assert "ugclab models pull" in state["hint"]
    assert str(tmp_path) not in page.get("/desk/shelf").text


def test_model_files_are_fetched_and_verified_with_progress(opened: Open, mirror: Path, tmp_path: Path) -> None:
    page = opened(weights_mirror=str(mirror))
    assert page.post("/desk/shelf/mesh/pull", json={}).json()["kind"] == "pull"
    done = settled(page, "mesh")
    assert done["state"] == "done"
    assert done["done_bytes"] == done["total_bytes"] > 0
    assert {f["state"] for f in engine(page)["files"]} == {"ok"}
    name = engine(page)["files"][0]["name"]
    path = tmp_path / "cache/weights" / name
    before = path.stat()
    path.write_bytes(path.read_bytes()[:-1] + b"?")  # what a disk that rots does: neither size nor time tell
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert page.post("/desk/shelf/mesh/verify", json={}).json()["kind"] == "verify"
    found = settled(page, "mesh")
    assert found["state"] == "failed"
    assert f"{name} (wrong hash)" in found["message"]


def test_terms_are_shown_and_accepted_by_who_pulls(opened: Open, mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bound = "insightface/inswapper_128.onnx"
    changes = {"terms": "for research only", "used_by": ("inswapper",)}
    monkeypatch.setitem(CATALOG, bound, CATALOG[bound].model_copy(update=changes))
    page = opened(weights_mirror=str(mirror))
    card = engine(page, "inswapper")
    assert {f["name"]: f["terms"] for f in card["files"] if f["terms"]} == {bound: "for research only"}
    assert "accept" in card["availability"]["reason"]
    page.post("/desk/shelf/inswapper/pull", json={})
    refused = settled(page, "inswapper")
    assert refused["state"] == "failed"
    assert "for research only" in refused["message"]
    assert page.post("/desk/shelf/inswapper/pull", json={"accepted": "no"}).status_code == 200
    assert settled(page, "inswapper")["state"] == "failed"
    page.post("/desk/shelf/inswapper/pull", json={"accepted": True})
    assert settled(page, "inswapper")["state"] == "done"
    assert {f["state"] for f in engine(page, "inswapper")["files"]} == {"ok"}


def test_a_pull_can_be_stopped(opened: Open, mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(names: object, folder: object, *, on_progress: Callable[[str, int, int], None], **_: object) -> None:
        for done in range(2000):
            on_progress("mediapipe/face_landmark.tflite", done, 2000)
            time.sleep(0.01)

    monkeypatch.setattr(pulling.hub, "ensure", slow)
    page = opened()
    page.post("/desk/shelf/mesh/pull", json={})
    assert page.post("/desk/shelf/mesh/pull", json={}).json()["state"] == "running"
    assert page.post("/desk/shelf/mesh/cancel", json={}).json()["stopping"]
    assert settled(page, "mesh")["state"] == "cancelled"
    assert page.post("/desk/shelf/mesh/cancel", json={}).status_code == 404


def test_a_pull_that_fails_says_why_without_places(
    opened: Open, mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(mirror)
    monkeypatch.setattr(hub.fetch, "fetch_url", lambda *given: (_ for _ in ()).throw(hub.SourceError("is not there")))
    page = opened(weights_mirror="")
    page.post("/desk/shelf/mesh/pull", json={})
    found = settled(page, "mesh")
    assert found["state"] == "failed"
    assert "cannot be had" in found["message"]
    assert str(tmp_path) not in json.dumps(found)


@pytest.mark.parametrize(
    ("given", "headers"),
    [
        ({"ui_pull": "off"}, {}),
        ({"host": "0.0.0.0"}, {}),  # noqa: S104
        ({}, {"x-forwarded-for": "8.8.8.8"}),
        ({}, {"host": "evil.example"}),
    ],
)
def test_strangers_cannot_fill_the_disk(opened: Open, given: dict[str, Any], headers: dict[str, str]) -> None:
    page = opened(**given)
    assert not page.get("/desk/shelf", headers=headers).json()["may_pull"]
    for what in ("pull", "verify", "cancel"):
        refused = page.post(f"/desk/shelf/mesh/{what}", json={}, headers=headers)
        assert refused.status_code in (403, 413, 422)
    assert page.get("/desk/shelf/pulls").json() == {}


def test_an_account_may_fetch_from_anywhere(opened: Open, tmp_path: Path, mirror: Path) -> None:
    accounts = tmp_path / "accounts"
    accounts.write_text(f"ada:{hash_password('correct horse')}\n")
    page = opened(accounts=accounts, host="0.0.0.0")  # noqa: S104
    assert page.get("/desk/shelf").status_code == 401
    page.post("/login", data={"username": "ada", "password": "correct horse"})
    assert page.get("/desk/shelf").json()["may_pull"]


def test_what_is_no_engine_is_refused(opened: Open) -> None:
    assert opened().post("/desk/shelf/nothing/pull", json={}).status_code == 404


# figures


def test_the_committed_run_and_every_gpu_are_shown_beside_the_targets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = Figures(Settings(data_dir=tmp_path)).shown()
    assert shown["targets"] == {"seconds": 300, "soonest_s": 180, "usd": 0.05}
    (run,) = shown["runs"]
    assert run["origin"] == "committed"
    assert {row["label"] for row in run["rows"]} >= {"ugclab, warm", "plain transcode", "frame by frame"}
    found = shown["predicted"]
    assert found["best"]["usd"] <= 0.05
    assert found["best"]["seconds"] <= 300
    assert found["best"] in found["ways"]["cheapest"]
    gpus = {(o["gpu"], o["provision"]) for o in found["ways"]["cheapest"]}
    assert gpus == {(o["gpu"], o["provision"]) for o in found["ways"]["full"]}
    assert all(not o["gives_up"] for way in ("full", "official") for o in found["ways"][way])
    for option in found["ways"]["cheapest"]:
        assert option["rests_on"] in ("measured", "published", "assumed")
        assert option["meets_budget"] == (option["usd"] <= 0.05)
        assert option["segment_s"] * found["footage"]["segments"] == pytest.approx(option["seconds"])


def test_fresh_runs_are_found_and_damaged_ones_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own, here = tmp_path / "own", tmp_path / "out/bench"
    for folder in (own, here):
        folder.mkdir(parents=True)
        shutil.copy(ROOT / "benchmarks/results/bench-cpu.json", folder / "bench.json")
    (own / "bench-broken.json").write_text("{")
    shown = Figures(Settings(data_dir=tmp_path, bench_dir=str(own))).shown()
    assert [run["origin"] for run in shown["runs"]] == ["fresh", "fresh", "committed"]
    assert len(shown["skipped"]) == 1
    assert "bench-broken.json" in shown["skipped"][0]
    assert str(tmp_path) not in json.dumps(shown)


def test_a_machine_without_a_price_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out/bench").mkdir(parents=True)
    document = json.loads((ROOT / "benchmarks/results/bench-cpu.json").read_text())
    (tmp_path / "out/bench/bench.json").write_text(json.dumps(document | {"usd_per_hour": 0}))
    fresh = Figures(Settings(data_dir=tmp_path)).shown()["runs"][0]
    assert {row["usd"] for row in fresh["rows"]} == {None}


# Wan2.2


def test_a_command_is_checked_and_corrected(opened: Open) -> None:
    text = "python generate.py --task animate-14B --ckpt_dir c --src_root_path w --sample_steps 4 --save_file a.mp4"
    found = opened().post("/desk/wan/check", json={"text": text}).json()
    by_id = {p["id"]: p for p in found["problems"]}
    assert by_id["T1"]["severity"] == "error"
    assert by_id["T1"]["flag"] == "--refert_num"
    assert by_id["T1"]["fix"]
    assert by_id["T1"]["corrected"]
    assert "--sample_steps 20" in found["corrected"]["shell"]
    assert found["corrected"]["left"] == []
    assert found["counts"]["error"] == 1


def test_a_command_is_built_and_checked_at_once(opened: Open) -> None:
    page = opened()
    built = page.post("/desk/wan/build", json={"mode": "replace", "gpu": "H100", "seed": 7}).json()
    assert built["counts"]["error"] == built["counts"]["warning"] == 0
    assert "--base_seed 7" in built["shell"]
    slow = page.post("/desk/wan/build", json={"fps": 16, "steps": 4}).json()
    assert {p["id"] for p in slow["problems"] if p["severity"] == "warning"} == {"T5", "T17"}
    small = page.post("/desk/wan/build", json={"gpu": "L4", "area": "720p"})
    assert small.status_code == 422
    assert "GB" in small.json()["message"]


@pytest.mark.parametrize(
    "document", [{"gpus": 3}, {"gpus": -1}, {"mode": "x"}, {"video": "a" * 400}, {"frames": 78}, {"gpu": "Voodoo"}]
)
def test_what_cannot_be_built_is_refused_in_words(opened: Open, document: dict[str, Any]) -> None:
    refused = opened().post("/desk/wan/build", json=document)
    assert refused.status_code == 422
    assert refused.json()["message"]


@pytest.mark.parametrize(
    "text",
    [
        "x" * (LONGEST_TEXT + 1),
        "ls -la",
        "",
        "python generate.py --task animate-14B\n" * 100,
    ],
)
def test_what_cannot_be_checked_is_refused_in_words(opened: Open, text: str) -> None:
    assert opened().post("/desk/wan/check", json={"text": text}).status_code == 422


@pytest.mark.parametrize(
    "nasty",
    ['"\\', "$(", "'\"", "`", "${a:-", "((((", "<<<", "--a=", "a\\\n", '{"cells":', "```\n", "- ", "-- ", "--x ", "a "],
)
def test_the_longest_text_is_read_in_a_moment(opened: Open, nasty: str) -> None:
    line = "python generate.py --task animate-14B "
    text = line + (nasty * LONGEST_TEXT)[: LONGEST_TEXT - len(line)]
    began = time.process_time()
    assert opened().post("/desk/wan/check", json={"text": text}).status_code in (200, 422)
    assert time.process_time() - began < 5

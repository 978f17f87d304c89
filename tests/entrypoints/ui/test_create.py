"""What the page's Create asks of the server: files, drafts, estimates and submitting, each somebody's own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.face_clips import write_clip
from ugclab import sample
from ugclab.entrypoints.ui.workbench import Workbench
from ugclab.settings import Settings


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    bench = Workbench(Settings(data_dir=tmp_path / "data", ui_worker="off", max_avatar_mb=1, usd_per_hour=0.1))
    yield bench
    bench.queue.close()


@pytest.fixture
def browser(bench: Workbench) -> TestClient:
    return TestClient(bench.app)


@pytest.fixture
def stranger(bench: Workbench) -> TestClient:
    return TestClient(bench.app)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("page") / "my clip.mp4")


def bring(browser: TestClient, role: str, path: Path, name: str = "") -> Any:
    return browser.post(f"/desk/upload/{role}", params={"name": name or path.name}, content=path.read_bytes())


def draft(browser: TestClient, clip: Path) -> dict[str, Any]:
    source = bring(browser, "source", clip).json()
    avatar = bring(browser, "avatar", sample.AVATAR).json()
    return {"source": source["id"], "avatar": avatar["id"], "plan": "0-1:swap,1-end:keep"}


def test_a_file_is_known_by_its_hash_and_shown_to_its_owner_alone(
    browser: TestClient, stranger: TestClient, clip: Path
) -> None:
    brought = bring(browser, "source", clip).json()
    assert brought["name"] == "my clip.mp4"
    assert brought["frames"] == 50
    assert brought["plan"] == "0-2:swap"
    assert "users/" not in str(brought)
    shown = browser.get(brought["url"], headers={"range": "bytes=0-99"})
    assert shown.status_code == 206
    assert shown.content == clip.read_bytes()[:100]
    assert stranger.get(brought["url"]).status_code == 404
    assert browser.get(f"/desk/card/{brought['id']}").json() == brought
    assert stranger.get(f"/desk/card/{brought['id']}").status_code == 404


def test_the_sample_is_one_request_away(browser: TestClient) -> None:
    both = browser.post("/desk/sample", json={}).json()
    assert both["source"]["duration"] == 30
    assert both["source"]["plan"] == "0-5:swap,5-15:keep,15-20:swap,20-30:keep"
    assert browser.get(both["avatar"]["url"]).headers["content-type"] == "image/jpeg"


@pytest.mark.parametrize(
    ("role", "bytes_", "status", "says"),
    [
        ("source", b"", 422, "empty"),
        ("source", b"<html><body>log in</body></html>" * 20, 422, "not a video"),
        ("avatar", b"not a picture at all, really" * 9, 422, "picture"),
        ("avatar", b"\xff\xd8" + b"0" * (2 << 20), 413, "larger than 1 MB"),
    ],
)
def test_what_is_no_video_or_photo_is_refused_in_a_sentence(
    browser: TestClient, bench: Workbench, role: str, bytes_: bytes, status: int, says: str
) -> None:
    answer = browser.post(f"/desk/upload/{role}?name=x", content=bytes_)
    assert answer.status_code == status
    assert says in answer.json()["message"]
    assert answer.json()["hint"]
    assert not list((bench.settings.data_dir / "uploads").glob("*"))


def test_a_stream_that_grows_too_large_is_cut_off(browser: TestClient) -> None:
    answer = browser.post("/desk/upload/avatar?name=x", content=(b"0" * 65536 for _ in range(64)))
    assert answer.status_code == 413


def test_only_so_many_files_a_day(tmp_path: Path) -> None:
    bench = Workbench(Settings(data_dir=tmp_path, ui_worker="off", max_uploads_per_day=1))
    browser = TestClient(bench.app)
    assert bring(browser, "avatar", sample.AVATAR).status_code == 200
    assert bring(browser, "avatar", sample.AVATAR).status_code == 429
    bench.queue.close()


def test_time_and_price_are_told_before_anything_runs(browser: TestClient, clip: Path) -> None:
    told = browser.post("/desk/estimate", json=draft(browser, clip)).json()
    assert told["seconds"] > 0
    assert told["usd"] == pytest.approx(told["seconds"] * 0.1 / 3600)
    assert [s["index"] for s in told["segments"]] == [0]
    assert told["swapped_s"] == 1
    assert told["untouched_s"] == 1


def test_a_job_needs_somebodys_word_for_the_face(browser: TestClient, bench: Workbench, clip: Path) -> None:
    document = draft(browser, clip)
    refused = browser.post("/desk/submit", json=document)
    assert refused.status_code == 422
    assert refused.json()["code"] == "consent"
    job_id = browser.post("/desk/submit", json=document | {"agreed": True}).json()["job_id"]
    again = browser.post("/desk/submit", json=document | {"agreed": True}).json()["job_id"]
    assert again == job_id


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"plan": "0-1:swap,3-4:keep"}, 422, "plan"),
        ({"engine": "nothing"}, 404, "engine_not_found"),
        ({"face": "like:/etc/passwd"}, 422, "input"),
        ({"source": "0" * 64}, 404, "job_not_found"),
        ({"source": "../../etc"}, 422, "input"),
        ({"more": 1}, 422, "input"),
    ],
)
def test_a_draft_that_cannot_work_says_why(
    browser: TestClient, clip: Path, change: dict[str, Any], status: int, code: str
) -> None:
    answer = browser.post("/desk/submit", json=draft(browser, clip) | change | {"agreed": True})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["message"]


def test_nobody_submits_or_looks_at_what_somebody_else_brought(
    browser: TestClient, stranger: TestClient, clip: Path
) -> None:
    document = draft(browser, clip)
    assert stranger.post("/desk/submit", json=document | {"agreed": True}).status_code == 404
    assert stranger.post("/desk/look", json={"kind": "strip", "source": document["source"]}).status_code == 404
    look_id = browser.post("/desk/look", json={"kind": "strip", "source": document["source"]}).json()["id"]
    assert "users/" not in look_id
    assert stranger.get(f"/desk/look/{look_id}").status_code == 404


def test_a_look_opens_no_path_of_the_server(browser: TestClient, clip: Path) -> None:
    document = draft(browser, clip) | {"kind": "frame", "face": "like:/etc/passwd"}
    assert browser.post("/desk/look", json=document).status_code == 422


def test_pictures_do_not_climb_out_of_the_project(browser: TestClient, clip: Path) -> None:
    bring(browser, "source", clip)
    for name in ("..%2Fsource%2Fx", "%2e%2e/metadata", "looks/../../source", "/etc/passwd"):
        assert browser.get(f"/desk/picture/{name}").status_code in (404, 422)

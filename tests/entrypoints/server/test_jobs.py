"""Jobs over HTTP: submit, list, get, take, change, delete; and what is said where that cannot be."""

from pathlib import Path
from typing import Any

import pytest

from tests.entrypoints.server.conftest import ASKED, RESULT, Opened, Place, bring, brought
from ugclab import sample


def test_a_job_from_files_that_were_brought(place: Place, clip: Path) -> None:
    ann = place.user()
    answer = ann.post("/v1/jobs", json=brought(ann, clip, record_id="r-1"))
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert (job["status"], job["engine"], job["record_id"], job["source"]) == ("queued", "mesh", "r-1", "my clip.mp4")
    assert job["output"] is None
    assert "users/" not in answer.text
    assert ann.get(f"/v1/jobs/{job['job_id']}").json() == job
    request = place.queue.request(job["job_id"], place.server.door.callers.admit(_key(ann), None).principal)
    assert request.principal.trust == "service"
    assert request.input.source.info.frames == 50


def _key(client: Any) -> str:
    return str(client.headers["authorization"].partition(" ")[2])


def test_the_result_by_key_and_by_link_with_ranges(place: Place) -> None:
    ann = place.user()
    job_id = ann.post("/v1/jobs", json=ASKED).json()["job_id"]
    early = ann.get(f"/v1/jobs/{job_id}/result")
    assert (early.status_code, early.json()["code"]) == (409, "job_conflict")
    place.succeeded(job_id)
    assert ann.get(f"/v1/jobs/{job_id}/result").content == RESULT
    part = ann.get(f"/v1/jobs/{job_id}/result", headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, RESULT[10:20])
    url = ann.get(f"/v1/jobs/{job_id}").json()["output"]["url"]
    assert url.startswith("http://testserver/r/")
    assert place.client().get(url).content == RESULT, "whoever has the link"
    assert place.client().get(url[:-1] + "!").status_code == 404


def test_links_begin_with_the_operators_address(opened: Opened) -> None:
    place = opened(public_url="https://lab.example/")
    ann = place.user()
    job_id = ann.post("/v1/jobs", json=ASKED).json()["job_id"]
    place.succeeded(job_id)
    assert ann.get(f"/v1/jobs/{job_id}").json()["output"]["url"].startswith("https://lab.example/r/")


def test_an_idempotency_key_is_one_job_and_one_input(place: Place) -> None:
    ann, bob = place.user(), place.user("bob")
    named = {"Idempotency-Key": "order-1"}
    first = ann.post("/v1/jobs", json=ASKED | {"record_id": "a"}, headers=named).json()["job_id"]
    assert ann.post("/v1/jobs", json=ASKED | {"record_id": "a"}, headers=named).json()["job_id"] == first
    other = ann.post("/v1/jobs", json=ASKED | {"record_id": "b"}, headers=named)
    assert (other.status_code, other.json()["code"]) == (409, "job_conflict")
    assert bob.post("/v1/jobs", json=ASKED | {"record_id": "b"}, headers=named).json()["job_id"] != first
    place.failed(first)
    assert ann.post("/v1/jobs", json=ASKED | {"record_id": "a"}, headers=named).json()["status"] == "failed"
    assert ann.post("/v1/jobs", json=ASKED | {"record_id": "a"}).json()["job_id"] != first, "without it: a new one"


def test_pages_of_jobs(place: Place) -> None:
    ann = place.user()
    made = [
        ann.post("/v1/jobs", json=ASKED | {"record_id": str(n), "project": f"p{n % 2}"}).json()["job_id"]
        for n in range(5)
    ]
    first = ann.get("/v1/jobs", params={"limit": 2}).json()
    second = ann.get("/v1/jobs", params={"limit": 2, "before": first["next"]}).json()
    last = ann.get("/v1/jobs", params={"limit": 2, "before": second["next"]}).json()
    seen = [job["job_id"] for page in (first, second, last) for job in page["jobs"]]
    assert seen == sorted(made, reverse=True)
    assert last["next"] == ""
    assert len(ann.get("/v1/jobs", params={"project": "p1"}).json()["jobs"]) == 2
    place.failed(made[0])
    failed = ann.get("/v1/jobs", params={"status": "failed"}).json()["jobs"]
    assert [j["job_id"] for j in failed] == [made[0]]
    assert failed[0]["error"]["hint"] == "take another segment"


def test_cancel_retry_delete(place: Place) -> None:
    ann = place.user()
    job_id = ann.post("/v1/jobs", json=ASKED).json()["job_id"]
    assert ann.post(f"/v1/jobs/{job_id}/retry").status_code == 409
    assert ann.post(f"/v1/jobs/{job_id}/cancel").json()["status"] == "cancelled"
    assert ann.post(f"/v1/jobs/{job_id}/cancel").status_code == 200, "twice is no error"
    assert ann.post(f"/v1/jobs/{job_id}/retry").json()["attempt"] == 2
    assert ann.delete(f"/v1/jobs/{job_id}").status_code == 204
    assert ann.get(f"/v1/jobs/{job_id}").status_code == 404


def test_a_project_and_a_user_are_deleted_with_everything(place: Place, clip: Path) -> None:
    ann, bob = place.user(), place.user("bob")
    job_id = ann.post("/v1/jobs", json=brought(ann, clip)).json()["job_id"]
    place.succeeded(job_id)
    ann.post("/v1/uploads", json={"size_bytes": 5, "project": "other"})
    kept = bob.post("/v1/jobs", json=ASKED).json()["job_id"]
    assert list(place.queue.store.list("users/ann"))
    assert ann.delete("/v1/projects/default").status_code == 204
    assert list(place.queue.store.list("users/ann")) == []
    assert ann.delete("/v1/me").status_code == 204
    assert ann.get("/v1/jobs").json() == {"jobs": [], "next": ""}
    assert bob.get(f"/v1/jobs/{kept}").status_code == 200
    with place.queue.database.reading() as connection:
        left = connection.exec_driver_sql("SELECT count(*) FROM ugclab_uploads").scalar_one()
        assert connection.exec_driver_sql("SELECT count(*) FROM ugclab_orders").scalar_one() == 0
    assert left == 0


def test_an_estimate_before_anything_runs(place: Place, clip: Path) -> None:
    ann = place.user()
    source = bring(ann, clip)
    told = ann.post("/v1/estimate", json={"source": source, "plan": "0-1:swap,1-end:keep"}).json()
    assert told["swapped_s"] == 1.0
    assert told["untouched_s"] == pytest.approx(1.0)
    assert told["seconds"] > 0
    unknown = ann.post("/v1/estimate", json={"source": "asset:" + "0" * 64})
    assert (unknown.status_code, unknown.json()["hint"]) == (422, "bring it there: POST /v1/uploads")
    assert ann.post("/v1/estimate", json={"source": source, "engine": "mush"}).status_code == 404
    face = bring(ann, sample.AVATAR, "avatar")
    assert ann.post("/v1/estimate", json={"source": face}).status_code == 422


def test_consent_is_asked_for_unless_the_operator_vouches(opened: Opened) -> None:
    silent = {k: v for k, v in ASKED.items() if k != "consent"}
    strict = opened()
    refused = strict.user().post("/v1/jobs", json=silent)
    assert (refused.status_code, refused.json()["code"]) == (422, "consent")
    assert "own-face" in refused.json()["hint"]
    strict.queue.close()
    place = opened(service_consent="ACME Ltd, 2026-11-01")
    ann, public = place.user(), place.user("paul", trust="public")
    job_id = ann.post("/v1/jobs", json=silent).json()["job_id"]
    principal = place.server.door.callers.admit(_key(ann), None).principal
    consent = place.queue.request(job_id, principal).consent
    assert (consent.kind, consent.agreed_by, consent.agreed_at) == ("agreed", "ACME Ltd", "2026-11-01")
    assert public.post("/v1/jobs", json=silent).json()["code"] == "consent"
    assert public.post("/v1/jobs", json=ASKED).status_code == 202


@pytest.mark.parametrize(
    ("changed", "status", "said"),
    [
        ({"source_video_url": "/etc/passwd"}, 422, "an address is expected"),
        ({"source_video_url": "http://127.0.0.1/v.mp4"}, 413, ""),
        ({"source_video_url": "s3://bucket/v.mp4"}, 413, ""),
        ({"source_video_url": "asset:../../x"}, 422, "names no file"),
        ({"source_video_url": "asset:" + "0" * 64}, 422, "no file"),
        ({"webhook_url": "http://169.254.1.1/"}, 413, "webhook"),
        ({"engine": "mush"}, 404, "mush"),
        ({"consent": "yes"}, 422, "consent"),
        ({"options": {"face": {"kind": "like"}}}, 422, "photo"),
        ({"options": {"crf": 99}}, 422, "crf"),
        ({"project": "../x"}, 422, "project"),
        ({"colour": "red"}, 422, "colour"),
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(place: Place, changed: dict[str, Any], status: int, said: str) -> None:
    refused = place.user().post("/v1/jobs", json=ASKED | changed)
    assert refused.status_code == status, refused.text
    assert set(refused.json()) == {"code", "message", "hint"}
    assert said in refused.json()["message"]


def test_a_path_cannot_come_in_as_the_photo_of_a_face(place: Place) -> None:
    ann = place.user()
    sly = ASKED | {"options": {"face": {"kind": "largest", "photo": "/etc/passwd"}}}
    job_id = ann.post("/v1/jobs", json=sly).json()["job_id"]
    principal = place.server.door.callers.admit(_key(ann), None).principal
    assert place.queue.request(job_id, principal).options.face.photo == ""


def test_limits_of_a_key(place: Place, clip: Path) -> None:
    few = place.user("few", max_active_jobs=1)
    assert few.post("/v1/jobs", json=ASKED | {"record_id": "1"}).status_code == 202
    full = few.post("/v1/jobs", json=ASKED | {"record_id": "2"})
    assert (full.status_code, full.json()["code"]) == (429, "limit")
    assert full.headers["retry-after"]
    short = place.user("short", max_minutes_per_day=0.01)
    assert "minutes" in short.post("/v1/jobs", json=brought(short, clip)).json()["message"]


def test_an_upload_is_what_its_bytes_are_and_no_larger_than_allowed(opened: Opened, tmp_path: Path) -> None:
    place = opened(max_avatar_mb=1)
    ann = place.user()
    announced = ann.post("/v1/uploads", json={"role": "avatar", "size_bytes": 2 << 20})
    assert announced.status_code == 413
    leave = ann.post("/v1/uploads", json={"role": "avatar", "size_bytes": 9, "name": "../me.png"}).json()
    lied = ann.put(leave["url"], content=b"x" * (1 << 20) + b"x")
    assert lied.status_code == 413
    wrong = ann.put(leave["url"], content=b"no picture")
    assert wrong.status_code == 422
    assert str(tmp_path) not in wrong.text
    assert not [p for p in (tmp_path / "data").rglob("*") if p.is_file() and "uploads" in p.parts]
    right = ann.put(leave["url"], content=sample.AVATAR.read_bytes())
    assert right.status_code == 201, right.text
    assert ann.put(leave["url"], content=sample.AVATAR.read_bytes()).status_code == 404, "leave is for once"


def test_the_photo_of_a_face_by_an_asset(place: Place, clip: Path) -> None:
    ann = place.user()
    photo = bring(ann, sample.AVATAR, "photo")
    asked = brought(ann, clip, photo_url=photo, options={"face": {"kind": "like"}})
    assert ann.post("/v1/jobs", json=asked).status_code == 202


def test_documents_are_small(place: Place) -> None:
    ann = place.user()
    large = ann.post("/v1/jobs", json=ASKED | {"plan": "x" * (2 << 20)})
    assert (large.status_code, large.json()["code"]) == (413, "intake")

    def blocks() -> Any:
        for _ in range(20):
            yield b" " * (1 << 17)

    unannounced = ann.post("/v1/jobs", content=blocks(), headers={"content-type": "application/json"})
    assert unannounced.status_code == 413, unannounced.text
    assert ann.post("/v1/jobs", content=b"{").status_code in (400, 422)


def test_another_sites_page_changes_nothing(place: Place) -> None:
    ann = place.user()
    assert ann.post("/v1/jobs", json=ASKED, headers={"origin": "https://evil.example"}).status_code == 403
    assert ann.get("/v1/jobs", headers={"origin": "https://evil.example"}).status_code == 200


def test_a_fault_of_ours_is_told_by_a_number(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    ann = place.user()
    monkeypatch.setattr(place.queue, "list", lambda *_, **__: 1 / 0)
    answer = ann.get("/v1/jobs")
    assert answer.status_code == 500
    assert "division" not in answer.text
    assert "the number" in answer.json()["hint"]

"""Jobs over HTTP: whose they are, what each state shows, the result and its link; never a place in the store."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.entrypoints.ui.test_create import bring
from tests.face_clips import write_clip
from ugclab import sample
from ugclab.entrypoints.ui.workbench import Workbench
from ugclab.jobs import records
from ugclab.schema.job import JobError, JobProgress, JobState
from ugclab.schema.media import Asset
from ugclab.settings import Settings
from ugclab.storage import paths

PLAN = "0-0.4:swap,0.4-1:keep,1-1.4:swap"
RESULT = b"0123456789" * 100
READS = (
    "",
    "/link",
    "/result",
    "/given/source",
    "/given/avatar",
    "/sheet",
    "/report.json",
    "/report.md",
    "/proof?look=x",
)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    bench = Workbench(Settings(data_dir=tmp_path / "data", ui_worker="off", usd_per_hour=0.4))
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


@pytest.fixture
def job_id(browser: TestClient, clip: Path) -> str:
    given = {"source": bring(browser, "source", clip).json()["id"]}
    given["avatar"] = bring(browser, "avatar", sample.AVATAR).json()["id"]
    return str(browser.post("/desk/submit", json=given | {"plan": PLAN, "agreed": True}).json()["job_id"])


def claimed(bench: Workbench, job_id: str, attempt: int = 1) -> records.Claimed:
    held = records.claim(bench.queue.database, f"{job_id}.{attempt}")
    assert held is not None
    return held


def ended(bench: Workbench, job_id: str, state: JobState, **given: Any) -> None:
    queue = bench.queue
    with queue.database.transaction() as connection:
        assert records.end(connection, queue.database, queue.flow, job_id, state, **given)


def succeeded(bench: Workbench, job_id: str) -> None:
    """As a worker would leave it, with bytes for a video."""
    held = claimed(bench, job_id)
    user, project = held.request.principal.user, held.request.project
    stored = bench.queue.store.put_bytes(paths.render(user, project, job_id), RESULT)
    bench.queue.store.put_bytes(paths.contact_sheet(user, project, job_id), b"png")
    output = Asset(
        key=stored.key,
        name="my clip-swapped.mp4",
        sha256=stored.sha256,
        size_bytes=stored.size_bytes,
        media_type="video/mp4",
    )
    ended(bench, job_id, JobState.SUCCEEDED, claim=held.claim, output=output, cost_usd=0.02, warnings=("mind this",))


def test_a_job_is_seen_by_its_owner_alone(
    bench: Workbench, browser: TestClient, stranger: TestClient, job_id: str
) -> None:
    succeeded(bench, job_id)
    assert [j["id"] for j in browser.get("/desk/jobs").json()["jobs"]] == [job_id]
    assert stranger.get("/desk/jobs").json()["jobs"] == []
    for path in READS:
        answer = stranger.get(f"/desk/jobs/{job_id}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found"), path
    for method, path in (
        ("POST", "/cancel"),
        ("POST", "/retry"),
        ("POST", "/link"),
        ("DELETE", "/link"),
        ("DELETE", ""),
    ):
        assert stranger.request(method, f"/desk/jobs/{job_id}{path}").status_code == 404, (method, path)
    assert stranger.post(f"/desk/jobs/{job_id}/proof").status_code == 404
    assert stranger.get(f"/desk/jobs/{job_id}/proof/{'0' * 64}/after.mp4").status_code == 404
    assert browser.get(f"/desk/jobs/{job_id}").json()["status"] == "succeeded"


def test_a_running_job_shows_how_far_each_segment_is(bench: Workbench, browser: TestClient, job_id: str) -> None:
    waiting = browser.get("/desk/jobs").json()["jobs"][0]
    assert (waiting["status"], waiting["live"], waiting["percent"]) == ("queued", True, 0)
    assert [(s["swap"], s["done"]) for s in waiting["segments"]] == [(True, 0), (False, 0), (True, 0), (False, 0)]
    held = claimed(bench, job_id)
    plan = "0-1:swap,1-2:keep"  # as an engine decided it
    progress = JobProgress(percent=50, stage="swap", segment=0, share=0.5, frames_per_s=12.5, eta_s=7, plan=plan)
    assert records.report_progress(bench.queue.database, held, progress)
    job = browser.get(f"/desk/jobs/{job_id}").json()
    assert (job["status"], job["stage"], job["frames_per_s"], job["eta_s"]) == ("running", "swap", 12.5, 7)
    assert [(s["start"], s["end"], s["done"]) for s in job["segments"]] == [(0, 1, 0.5), (1, 2, 0)]
    assert [e["what"] for e in job["events"]] == ["queued", "begun"]
    assert job["usd_per_hour"] == 0.4


def test_a_failed_job_says_where_and_can_be_retried(bench: Workbench, browser: TestClient, job_id: str) -> None:
    held = claimed(bench, job_id)
    error = JobError(code="engine", message="it broke", hint="mend it", stage="swap", segment=2)
    ended(bench, job_id, JobState.FAILED, claim=held.claim, error=error)
    job = browser.get(f"/desk/jobs/{job_id}").json()
    assert job["error"] == error.model_dump()
    assert job["segments"][2]["start"] == 1
    assert (job["may_retry"], job["live"]) == (True, False)
    assert job["events"][-1] | {"at": ""} == {
        "at": "", "attempt": 1, "what": "failed", "stage": "swap 2", "seconds": None, "text": "it broke",
    }  # fmt: skip
    for path in ("/result", "/link", "/report.json", "/sheet"):
        assert browser.get(f"/desk/jobs/{job_id}{path}").status_code == 409, path
    assert browser.post(f"/desk/jobs/{job_id}/retry").json()["status"] == "queued"
    assert browser.post(f"/desk/jobs/{job_id}/retry").status_code == 409
    assert browser.post(f"/desk/jobs/{job_id}/cancel").json()["status"] == "cancelled"
    said = [(e["what"], e["attempt"]) for e in browser.get(f"/desk/jobs/{job_id}").json()["events"]]
    assert said == [("queued", 1), ("begun", 1), ("failed", 1), ("retried", 2), ("cancelled", 2)]


def test_who_takes_over_is_told(bench: Workbench, browser: TestClient, job_id: str) -> None:
    claimed(bench, job_id)
    claimed(bench, job_id)
    job = browser.get(f"/desk/jobs/{job_id}").json()
    assert job["recoveries"] == 1
    assert [e["what"] for e in job["events"]] == ["queued", "begun", "taken_over"]


def test_the_result_has_ranges_and_a_name(bench: Workbench, browser: TestClient, job_id: str) -> None:
    succeeded(bench, job_id)
    part = browser.get(f"/desk/jobs/{job_id}/result", headers={"range": "bytes=5-14"})
    assert (part.status_code, part.content) == (206, RESULT[5:15])
    assert "content-disposition" not in part.headers
    saved = browser.get(f"/desk/jobs/{job_id}/result?save")
    assert saved.content == RESULT
    assert "my%20clip-swapped.mp4" in saved.headers["content-disposition"]


def test_the_link_is_anybodys_until_it_is_revoked(
    bench: Workbench, browser: TestClient, stranger: TestClient, job_id: str
) -> None:
    succeeded(bench, job_id)
    link = browser.get(f"/desk/jobs/{job_id}/link").json()
    assert link["url"] == ""
    given = stranger.get(link["path"])
    assert given.content == RESULT
    assert given.headers["content-disposition"].startswith("attachment")
    assert stranger.get(link["path"], headers={"range": "bytes=0-3"}).content == RESULT[:4]
    assert stranger.head(link["path"]).headers["content-length"] == str(len(RESULT))
    assert browser.delete(f"/desk/jobs/{job_id}/link").json() == {"path": "", "url": ""}
    assert stranger.get(link["path"]).status_code == 404
    page = stranger.get(link["path"], headers={"accept": "text/html"})
    assert (page.status_code, page.headers["content-type"][:10]) == (404, "text/plain")
    assert "revoked" in page.text
    assert stranger.get("/r/").status_code == 404
    renewed = browser.post(f"/desk/jobs/{job_id}/link").json()
    assert renewed["path"] != link["path"]
    assert stranger.get(renewed["path"]).content == RESULT


def test_a_public_address_is_used_where_the_operator_has_one(tmp_path: Path, clip: Path) -> None:
    bench = Workbench(Settings(data_dir=tmp_path / "data", ui_worker="off", public_url="https://lab.example.org/"))
    browser = TestClient(bench.app)
    given = {"source": bring(browser, "source", clip).json()["id"]}
    given["avatar"] = bring(browser, "avatar", sample.AVATAR).json()["id"]
    job_id = browser.post("/desk/submit", json=given | {"plan": PLAN, "agreed": True}).json()["job_id"]
    succeeded(bench, job_id)
    link = browser.get(f"/desk/jobs/{job_id}/link").json()
    assert link["url"] == f"https://lab.example.org{link['path']}"
    bench.queue.close()


def test_no_answer_names_a_place(bench: Workbench, browser: TestClient, job_id: str) -> None:
    succeeded(bench, job_id)
    answers = [browser.get("/desk/jobs"), browser.get(f"/desk/jobs/{job_id}"), browser.get(f"/desk/jobs/{job_id}/link")]
    answers.append(browser.post(f"/desk/jobs/{job_id}/proof"))
    answers += [browser.get(f"/desk/jobs/{name}") for name in ("x", "../../etc", job_id[:-1] + "0")]
    user = bench.queue.list(bench.identity.caller(dict(browser.cookies), {}).principal)[0].user  # type: ignore[union-attr]
    for answer in answers:
        for place in ("users/", "projects/", str(bench.settings.data_dir), user):
            assert place not in answer.text, answer.url
        assert '"key"' not in answer.text


@pytest.mark.parametrize(
    "name", ["../consent.json", "x/after.mp4", f"{'0' * 64}/../../x.mp4", f"{'0' * 64}/report.json"]
)
def test_only_films_are_served_as_films(bench: Workbench, browser: TestClient, job_id: str, name: str) -> None:
    succeeded(bench, job_id)
    answer = browser.get(f"/desk/jobs/{job_id}/proof/{name.replace('/', '%2F')}")
    assert answer.status_code == 404


def test_deleting_leaves_nothing(bench: Workbench, browser: TestClient, job_id: str) -> None:
    succeeded(bench, job_id)
    path = browser.get(f"/desk/jobs/{job_id}/link").json()["path"]
    assert browser.delete(f"/desk/jobs/{job_id}").json() == {"deleted": job_id}
    assert browser.get("/desk/jobs").json()["jobs"] == []
    assert browser.get(f"/desk/jobs/{job_id}").status_code == 404
    assert browser.get(path).status_code == 404
    with bench.queue.database.reading() as connection:
        from ugclab.jobs.schema import events

        assert connection.execute(events.select()).all() == []


def test_the_recipe_is_shown(bench: Workbench, browser: TestClient, job_id: str) -> None:
    job = browser.get(f"/desk/jobs/{job_id}").json()
    assert job["shell"].startswith("ugclab swap 'my clip.mp4' avatar.jpg \\\n  -o 'my clip-swapped.mp4'")
    assert f"--plan={PLAN}" in job["shell"]
    assert f"plan={PLAN!r}" in job["python"]
    assert json.dumps(job)

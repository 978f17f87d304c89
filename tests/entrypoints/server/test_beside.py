"""What stands beside: a store on S3, the page in the same server, a worker that tells what it has loaded."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.entrypoints.server.conftest import ASKED, RESULT, Place, served
from tests.storage.conftest import keys, no_aws, rclone_server, real  # noqa: F401 fixtures
from ugclab.entrypoints.server.server import Server
from ugclab.settings import Settings
from ugclab.storage.s3 import S3Store

pytestmark = pytest.mark.slow


@pytest.fixture
def s3_place(real: tuple[Any, str], tmp_path: Path) -> Iterator[Place]:  # noqa: F811
    client, bucket = real
    server = Server(Settings(data_dir=tmp_path / "data", s3_bucket=bucket))
    assert isinstance(server.queue.store, S3Store)
    yield Place(server)
    server.queue.close()
    assert client


def test_files_go_straight_to_the_store_and_results_come_from_there(s3_place: Place, clip: Path) -> None:
    ann, eve = s3_place.user(), s3_place.user("eve")
    wanted = {"role": "source", "name": clip.name, "size_bytes": clip.stat().st_size}
    leave = ann.post("/v1/uploads", json=wanted).json()
    assert ann.post(leave["complete"]).json()["message"] == "nothing has arrived yet"
    assert httpx.put(leave["url"], content=b"x", headers=leave["headers"] | {"Content-Length": "1"}).status_code >= 400
    assert httpx.put(leave["url"], content=clip.read_bytes(), headers=leave["headers"]).status_code == 200
    assert eve.post(leave["complete"]).status_code == 404
    done = ann.post(leave["complete"])
    assert done.status_code == 201, done.text
    assert done.json()["frames"] == 50
    assert not [s for s in s3_place.queue.store.list("users/ann") if "arriving" in s.key]
    job_id = ann.post("/v1/jobs", json=ASKED | {"source_video_url": done.json()["asset"]}).json()["job_id"]
    s3_place.succeeded(job_id)
    moved = ann.get(f"/v1/jobs/{job_id}/result")
    assert moved.status_code == 307
    assert httpx.get(moved.headers["location"]).content == RESULT


def test_what_arrived_and_was_never_taken_is_swept(s3_place: Place, clip: Path) -> None:
    ann = s3_place.user()
    leave = ann.post("/v1/uploads", json={"size_bytes": clip.stat().st_size}).json()
    httpx.put(leave["url"], content=clip.read_bytes(), headers=leave["headers"])
    assert list(s3_place.queue.store.list("users/ann"))
    s3_place.queue._deletion.old_uploads(3600)
    assert list(s3_place.queue.store.list("users/ann")), "leave that is young"
    s3_place.queue._deletion.old_uploads(-1)
    assert list(s3_place.queue.store.list("users/ann")) == []
    assert ann.post(leave["complete"]).status_code == 404


def test_the_page_and_the_api_in_one_server(place: Place) -> None:
    pytest.importorskip("gradio")
    bearer = {"authorization": f"Bearer {place.key(scopes=('admin',))}"}
    with (
        served(place, "--page", UGCLAB_UI_WORKER="off") as (started, url, log),
        httpx.Client(base_url=url, timeout=20) as nobody,
    ):
        page = nobody.get("/", headers={"accept": "text/html"})
        assert page.status_code == 200, log.read_text()
        assert "default-src 'self'" in page.headers["content-security-policy"]
        assert nobody.get("/desk/engines").status_code == 200, "a browser is somebody at the page"
        assert nobody.get("/v1/jobs").status_code == 401, "and nobody at the API"
        assert nobody.get("/health").json()["contract"] == "1"
        assert nobody.get("/v1/jobs", headers=bearer).json()["jobs"] == []
        assert nobody.post("/desk/sample", json={}, headers={"origin": "https://evil.example"}).status_code == 403
        assert 'route="/desk/engines"' in nobody.get("/metrics", headers=bearer).text
        started.terminate()
        assert started.wait(30) == 0

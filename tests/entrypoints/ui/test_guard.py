"""Who is let in and what every answer carries: accounts, cookies, keys, other sites, sizes and limits."""

import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from ugclab import sample
from ugclab.entrypoints.ui import identity as identifying
from ugclab.entrypoints.ui.identity import COOKIE, Identity, hash_password, read_accounts
from ugclab.entrypoints.ui.workbench import Workbench
from ugclab.errors import InputError
from ugclab.settings import Settings

KEY = "k" * 40
Open = Callable[..., Workbench]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    made: list[Workbench] = []

    def page(**given: Any) -> Workbench:
        made.append(Workbench(Settings(**{"data_dir": tmp_path / "data", "ui_worker": "off"} | given)))
        return made[-1]

    yield page
    for bench in made:
        bench.queue.close()


@pytest.fixture
def accounts(tmp_path: Path) -> Path:
    path = tmp_path / "accounts"
    path.write_text(f"ada:{hash_password('correct horse')}\nbob:{hash_password('battery staple')}\n")
    return path


def who(identity: Identity, cookies: dict[str, str] | None = None, bearer: str = "") -> str:
    found = identity.caller(cookies or {}, {"authorization": f"Bearer {bearer}"} if bearer else {})
    return found.principal.user if found else ""


# without accounts


def test_a_browser_stays_who_it_is_and_is_nobody_else(tmp_path: Path) -> None:
    identity = Identity(Settings(data_dir=tmp_path))
    first = identity.caller({}, {})
    assert first is not None
    assert first.fresh_cookie
    again = identity.caller({COOKIE: first.fresh_cookie}, {})
    assert again is not None
    assert again.principal == first.principal
    assert not again.fresh_cookie
    assert first.fresh_cookie not in first.principal.user
    assert who(identity) != first.principal.user
    assert first.principal.trust == "public"


def test_a_key_is_somebody_and_a_short_one_nobody_in_particular(tmp_path: Path) -> None:
    identity = Identity(Settings(data_dir=tmp_path))
    assert who(identity, bearer=KEY) == who(identity, bearer=KEY)
    assert who(identity, bearer=KEY) != who(identity, bearer=KEY + "x")
    assert who(identity, bearer=KEY) != who(identity, {COOKIE: KEY})
    assert who(identity, bearer="short") != who(identity, bearer="short")


def test_no_secret_is_made_where_none_is_needed(tmp_path: Path) -> None:
    Identity(Settings(data_dir=tmp_path / "data"))
    assert not (tmp_path / "data/session.key").exists()


# with accounts


def test_only_accounts_are_let_in(tmp_path: Path, accounts: Path) -> None:
    identity = Identity(Settings(data_dir=tmp_path / "data", accounts=accounts))
    session = identity.log_in("ada", "correct horse")
    assert who(identity, {COOKIE: session}) == "ada"
    assert who(identity, bearer=session) == "ada"
    assert who(identity, bearer=KEY) == ""
    assert who(identity, {COOKIE: KEY}) == ""
    assert stat.S_IMODE((tmp_path / "data/session.key").stat().st_mode) == 0o600
    for wrong in (session[:-1] + "!", session + "x", "", ".", "e30.x", session.replace(".", "..")):
        assert who(identity, {COOKIE: wrong}) == ""


def test_a_session_is_not_for_somebody_else_nor_for_ever(
    tmp_path: Path, accounts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = Identity(Settings(data_dir=tmp_path / "data", accounts=accounts))
    session = identity.log_in("ada", "correct horse")
    forged = identifying._b64(f"bob|{2**40}".encode()) + "." + session.partition(".")[2]
    assert who(identity, {COOKIE: forged}) == ""
    now = identifying.time.time()
    monkeypatch.setattr(identifying.time, "time", lambda: now + identifying.SESSION_S + 5)
    assert who(identity, {COOKIE: session}) == ""


def test_a_changed_password_and_a_closed_account_end_sessions(tmp_path: Path, accounts: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", accounts=accounts)
    session = Identity(settings).log_in("ada", "correct horse")
    assert who(Identity(settings), {COOKIE: session}) == "ada", "a session outlives a restart"
    bob = Identity(settings).log_in("bob", "battery staple")
    accounts.write_text(f"ada:{hash_password('another horse')}\n")
    assert who(Identity(settings), {COOKIE: session}) == ""
    assert who(Identity(settings), {COOKIE: bob}) == ""


def test_guessing_is_slowed_down_by_name(tmp_path: Path, accounts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identifying, "verify_password", lambda password, known: password == "correct horse")  # noqa: S105
    identity = Identity(Settings(data_dir=tmp_path / "data", accounts=accounts))
    said = set()
    for name in ("ada", "nobody"):
        with pytest.raises(InputError) as refused:
            identity.log_in(name, "wrong")
        said.add(str(refused.value))
    assert len(said) == 1, "a wrong name is told like a wrong password"
    for _ in range(9):
        with pytest.raises(InputError, match="wrong"):
            identity.log_in("ada", "wrong")
    with pytest.raises(InputError, match="too many"):
        identity.log_in("ada", "correct horse")
    now = identifying.time.monotonic()
    monkeypatch.setattr(identifying.time, "monotonic", lambda: now + 61)
    assert identity.log_in("ada", "correct horse")


@pytest.mark.parametrize("line", ["ada", "ada:secret", "a/b:" + hash_password("x"), "ada:scrypt:x", ""])
def test_a_file_of_accounts_that_is_none_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "accounts"
    path.write_text(line + "\n")
    with pytest.raises(InputError):
        read_accounts(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_accounts(tmp_path / "absent")


# the guard before every route


def test_who_has_not_logged_in_is_sent_to_do_so(opened: Open, accounts: Path) -> None:
    browser = TestClient(opened(accounts=accounts).app, follow_redirects=False)
    page = browser.get("/desk/engines", headers={"accept": "text/html"})
    assert page.status_code == 303
    assert page.headers["location"] == "/login"
    refused = browser.get("/desk/engines")
    assert refused.status_code == 401
    assert refused.json()["code"] == "login"
    assert browser.get("/login").status_code == 200
    wrong = browser.post("/login", data={"username": "ada", "password": "<b>"}, headers={"accept": "text/html"})
    assert wrong.status_code == 401
    assert "name or password is wrong" in wrong.text
    done = browser.post("/login", data={"username": "ada", "password": "correct horse"})
    assert done.json() == {"success": True}
    assert {"HttpOnly", "SameSite=Lax"} <= set(done.headers["set-cookie"].split("; "))
    assert browser.get("/desk/engines").status_code == 200
    browser.get("/logout")
    assert browser.get("/desk/engines").status_code == 401


def test_a_cookie_over_https_is_for_https_alone(opened: Open) -> None:
    page = TestClient(opened().app, base_url="https://testserver")
    said = set(page.get("/desk/engines").headers["set-cookie"].split("; "))
    assert {"Secure", "HttpOnly", "SameSite=None", "Partitioned"} <= said


def test_another_sites_page_changes_nothing(opened: Open) -> None:
    browser = TestClient(opened().app)
    for origin in ("https://evil.example", "http://testserver:81", "null", "http://testserver.evil.example"):
        assert browser.post("/desk/sample", json={}, headers={"origin": origin}).status_code == 403, origin
    assert browser.get("/desk/engines", headers={"origin": "https://evil.example"}).status_code == 200
    assert browser.post("/desk/wan/build", json={}, headers={"origin": "http://testserver"}).status_code == 200


@pytest.mark.parametrize("path", ["/desk/engines", "/health", "/desk/nothing", "/r/nothing", "/login"])
def test_every_answer_is_guarded(opened: Open, path: str) -> None:
    headers = TestClient(opened().app, follow_redirects=False).get(path).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "object-src 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


def test_an_upload_that_is_too_large_is_refused_announced_or_not(opened: Open, tmp_path: Path) -> None:
    bench = opened(max_avatar_mb=1)
    browser = TestClient(bench.app)
    announced = browser.post("/desk/upload/avatar", content=b"x" * (1 << 20) + b"x")
    assert announced.status_code == 413
    assert "1 MB" in announced.json()["message"]

    def blocks() -> Iterator[bytes]:
        for _ in range(40):
            yield b"x" * (1 << 16)

    assert browser.post("/desk/upload/avatar", content=blocks()).status_code == 413
    left = [p for p in (tmp_path / "data").rglob("*") if p.is_file() and "uploads" in p.parts]
    assert left == []


def test_a_damaged_upload_is_told_by_its_name_alone(opened: Open, tmp_path: Path) -> None:
    browser = TestClient(opened().app)
    for data in (b"", b"no picture"):
        refused = browser.post("/desk/upload/avatar", params={"name": "me.png"}, content=data)
        assert refused.status_code == 422
        assert str(tmp_path) not in refused.text


def test_more_jobs_than_one_may_have_are_refused(opened: Open) -> None:
    browser = TestClient(opened(max_active_jobs=1).app)
    both = browser.post("/desk/sample", json={}).json()
    draft = {"source": both["source"]["id"], "avatar": both["avatar"]["id"], "agreed": True}
    assert browser.post("/desk/submit", json=draft | {"plan": "0-1:swap,1-end:keep"}).status_code == 200
    refused = browser.post("/desk/submit", json=draft | {"plan": "0-2:swap,2-end:keep"})
    assert refused.status_code == 429
    assert refused.json()["hint"]


def test_a_fault_of_ours_is_told_by_a_number(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = opened()
    monkeypatch.setattr(bench.desk, "engines", lambda: 1 / 0)
    answer = TestClient(bench.app, raise_server_exceptions=False).get("/desk/engines")
    assert answer.status_code == 500
    assert "division" not in answer.text
    assert "the number" in answer.json()["hint"]


def test_the_sample_is_the_only_face_in_the_public_domain(opened: Open) -> None:
    bench = opened()
    assert sample.AVATAR.is_file()
    browser = TestClient(bench.app)
    both = browser.post("/desk/sample", json={}).json()
    draft = {"source": both["source"]["id"], "avatar": both["avatar"]["id"], "plan": "0-1:swap,1-end:keep"}
    assert browser.post("/desk/submit", json=draft).status_code == 422, "nobody has agreed"

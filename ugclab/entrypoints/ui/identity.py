"""Who is asking: somebody with an account, a browser without one, or a program with a key of its own choice.

Where the operator names accounts (`UGCLAB_ACCOUNTS`), only those are let in. Elsewhere each browser is somebody: it is
given a random cookie, and its jobs are those of the cookie's hash. A program may send any long random string as
`Authorization: Bearer …` instead, and finds its jobs again with it. Nothing is kept on the server for either. With
accounts it sends the session that logging in has given it, as a cookie or as the bearer.
"""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ugclab.errors import InputError
from ugclab.media.output import writing
from ugclab.schema.job import Principal
from ugclab.settings import Settings

COOKIE = "ugclab"
COOKIE_S = 365 * 24 * 3600
SESSION_S = 14 * 24 * 3600
_SHORTEST_KEY = 16
_SCRYPT = {"n": 2**14, "r": 8, "p": 1}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a request comes from. `fresh_cookie` is what the answer must set, so that the next one is known."""

    principal: Principal
    name: str
    fresh_cookie: str = ""


class Identity:
    """Reads requests. `accounts` maps names to what `hash_password` made."""

    def __init__(self, settings: Settings) -> None:
        self.accounts = read_accounts(settings.accounts) if settings.accounts else {}
        self._tries: dict[str, _Tries] = {}
        self._secret = _kept_secret(settings.data_dir.expanduser()) if self.accounts else b""

    def caller(self, cookies: Mapping[str, str], headers: Mapping[str, str]) -> Caller | None:
        """Who is asking; None for somebody who must log in first."""
        cookie = cookies.get(COOKIE, "")
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            key = ""
        if self.accounts:
            name = self._logged_in(cookie) or self._logged_in(key.strip())
            return Caller(Principal(user=name), name) if name else None
        if len(key.strip()) >= _SHORTEST_KEY:
            return Caller(Principal(user=_hashed("k", key.strip())), "")
        if len(cookie) >= _SHORTEST_KEY:
            return Caller(Principal(user=_hashed("b", cookie)), "")
        fresh = secrets.token_urlsafe(32)
        return Caller(Principal(user=_hashed("b", fresh)), "", fresh)

    def log_in(self, name: str, password: str) -> str:
        """The cookie of a session. Raises InputError, the same for a wrong name as for a wrong password."""
        tries = self._tries.setdefault(name[:64], _Tries())
        if tries.too_many():
            raise InputError("too many wrong passwords", hint="wait a minute, then try again")
        known = self.accounts.get(name, _NOBODY)
        if not verify_password(password, known) or name not in self.accounts:
            tries.note()
            raise InputError("name or password is wrong", hint="try again, or ask who runs this workbench")
        self._tries.pop(name, None)
        words = f"{name}|{int(time.time()) + SESSION_S}"
        return f"{_b64(words.encode())}.{self._signature(words)}"

    def _logged_in(self, cookie: str) -> str:
        packed, _, signature = cookie.partition(".")
        try:
            words = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)).decode()
        except ValueError:
            return ""
        name, _, until = words.rpartition("|")
        good = hmac.compare_digest(signature.encode(), self._signature(words).encode())
        return name if good and until.isdecimal() and int(until) > time.time() and name in self.accounts else ""

    def _signature(self, words: str) -> str:
        """Bound to the password's hash: who changes a password ends the sessions opened with the old one."""
        name = words.rpartition("|")[0]
        key = self._secret + self.accounts.get(name, "").encode()
        return _b64(hmac.digest(key, words.encode(), "sha256"))


@dataclass(slots=True)
class _Tries:
    """Wrong passwords of one name within a minute."""

    at: list[float] = field(default_factory=list)

    def note(self) -> None:
        self.at.append(time.monotonic())

    def too_many(self) -> bool:
        self.at = [t for t in self.at if time.monotonic() - t < 60]
        return len(self.at) >= 10


def hash_password(password: str) -> str:
    """What a file of accounts holds instead of a password: scrypt with a salt of its own."""
    salt = secrets.token_bytes(16)
    return f"scrypt:{_b64(salt)}:{_b64(hashlib.scrypt(password.encode(), salt=salt, **_SCRYPT))}"


def verify_password(password: str, known: str) -> bool:
    """Whether a password is the one that was hashed."""
    _, salt, digest = known.split(":")
    raw = base64.urlsafe_b64decode(salt + "=" * (-len(salt) % 4))
    return hmac.compare_digest(_b64(hashlib.scrypt(password.encode(), salt=raw, **_SCRYPT)), digest)


def read_accounts(path: Path) -> dict[str, str]:
    """Read lines of `NAME:scrypt:SALT:HASH`, as `ugclab account` prints them. Raises InputError."""
    try:
        lines = path.expanduser().read_text().splitlines()
    except OSError as error:
        raise InputError(f"the accounts cannot be read: {error.strerror}", hint="see UGCLAB_ACCOUNTS") from error
    accounts = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, known = line.strip().partition(":")
        try:
            Principal(user=name)
            verify_password("", known)
        except ValueError as error:
            raise InputError(
                f"line {number} of {path} is no account", hint="make one with: ugclab account NAME"
            ) from error
        accounts[name] = known
    if not accounts:
        raise InputError(f"{path} names no account", hint="add one with: ugclab account NAME >> FILE")
    return accounts


_NOBODY = f"scrypt:{'A' * 22}:{'A' * 86}"
"""A hash that nothing has: checking it takes as long as checking a real one."""


def _kept_secret(folder: Path) -> bytes:
    """What sessions are signed with: made once, readable by its owner alone."""
    path = folder / "session.key"
    with writing(path):
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.touch(mode=0o600)
            path.write_bytes(secrets.token_bytes(32))
    return path.read_bytes()


def _hashed(kind: str, key: str) -> str:
    return f"{kind}-{hashlib.sha256(key.encode()).hexdigest()[:32]}"


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")

"""Bearer keys of programs: made once, shown once, kept as a hash; who has one acts as its user, within its scopes.

A key is `ugc_ID_SECRET`. The id finds its row, and the secret's 32 random bytes are compared by their sha256 in
constant time: no slow hash is needed for what nobody can guess.
"""

import hashlib
import hmac
import secrets
from typing import Any, Literal, get_args

import sqlalchemy as sa
from pydantic import Field, ValidationError

from ugclab.errors import InputError
from ugclab.jobs.database import Database
from ugclab.jobs.schema import keys
from ugclab.schema.base import Frozen, first_fault
from ugclab.schema.job import Name, Principal

Scope = Literal["jobs:read", "jobs:write", "execute", "metrics", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
"""`admin` stands for all of them, those of later versions too."""
USUAL: tuple[Scope, ...] = ("jobs:read", "jobs:write", "execute")
PREFIX = "ugc_"
_DAY_S = 86_400.0
_USED_EVERY_S = 60.0
_NOBODY = "0" * 64


class NewKey(Frozen):
    """What an operator decides about a key."""

    user: Name
    label: str = Field("", max_length=80)
    trust: Literal["service", "public"] = "service"
    scopes: tuple[Scope, ...] = Field(USUAL, min_length=1)
    max_active_jobs: int | None = Field(None, ge=1)
    max_minutes_per_day: float | None = Field(None, gt=0)
    requests_per_minute: int | None = Field(None, ge=1)
    days: float | None = Field(None, gt=0, description="until it expires; never if empty")

    @classmethod
    def read(cls, **values: Any) -> "NewKey":
        """Check what somebody typed. Raises InputError."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            place, fault = first_fault(error)
            raise InputError(
                f"{place}: {fault}", hint=f"see ugclab keys create --help; scopes: {', '.join(SCOPES)}"
            ) from error


class KeyView(Frozen):
    """A key as an operator sees it: all but the key. Times are seconds since 1970."""

    key_id: str
    label: str
    user: str
    trust: Literal["service", "public"]
    scopes: tuple[Scope, ...]
    max_active_jobs: int | None = None
    max_minutes_per_day: float | None = None
    requests_per_minute: int | None = None
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None
    used_at: float | None = None
    valid: bool

    @property
    def principal(self) -> Principal:
        """Who asks with it."""
        return Principal(
            user=self.user,
            trust=self.trust,
            scopes=self.scopes,
            max_active_jobs=self.max_active_jobs,
            max_minutes_per_day=self.max_minutes_per_day,
        )

    def allows(self, scope: Scope) -> bool:
        """Whether that may be done with it."""
        return scope in self.scopes or "admin" in self.scopes


class Keys:
    """The table of keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, new: NewKey) -> tuple[str, KeyView]:
        """Make a key: the key itself, which nobody can ask for again, and its row."""
        key_id, secret = secrets.token_hex(5), secrets.token_urlsafe(32)
        now = self._database.now()
        with self._database.transaction() as connection:
            connection.execute(
                keys.insert().values(
                    key_id=key_id,
                    digest=_digest(secret),
                    scopes=",".join(dict.fromkeys(new.scopes)),
                    created_at=now,
                    expires_at=now + new.days * _DAY_S if new.days else sa.null(),
                    **new.model_dump(exclude={"scopes", "days"}),
                )
            )
        return f"{PREFIX}{key_id}_{secret}", self._one(key_id)

    def check(self, text: str) -> KeyView | None:
        """The key that somebody sent; None where it is none, is revoked or has expired."""
        key_id, _, secret = text.removeprefix(PREFIX).partition("_")
        row = self._row(key_id[:16]) if text.startswith(PREFIX) and key_id.isalnum() and key_id.isascii() else None
        known = row.digest if row else _NOBODY
        if not hmac.compare_digest(_digest(secret), known) or row is None:
            return None
        found = _view(row)
        if not found.valid:
            return None
        if row.used_at is None or row.now - row.used_at > _USED_EVERY_S:
            with self._database.transaction() as connection:
                connection.execute(keys.update().where(keys.c.key_id == key_id).values(used_at=self._database.now()))
        return found

    def list(self) -> tuple[KeyView, ...]:
        """All keys, the oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(self._query().order_by(keys.c.created_at, keys.c.key_id)).all()
        return tuple(map(_view, rows))

    def revoke(self, key_id: str) -> KeyView:
        """Make a key worthless, at once and for good. Raises InputError for one that is none."""
        with self._database.transaction() as connection:
            connection.execute(
                keys.update()
                .where(keys.c.key_id == key_id, keys.c.revoked_at.is_(None))
                .values(revoked_at=self._database.now())
            )
        return self._one(key_id)

    def any(self) -> bool:
        """Whether there is a valid key at all."""
        return any(key.valid for key in self.list())

    def _one(self, key_id: str) -> KeyView:
        if (row := self._row(key_id)) is None:
            raise InputError(f"there is no key {key_id[:20]!r}", hint="see: ugclab keys list")
        return _view(row)

    def _row(self, key_id: str) -> sa.Row[Any] | None:
        with self._database.reading() as connection:
            return connection.execute(self._query().where(keys.c.key_id == key_id)).one_or_none()

    def _query(self) -> sa.Select[Any]:
        return sa.select(keys, self._database.now().label("now"))


def _view(row: sa.Row[Any]) -> KeyView:
    given = {name: getattr(row, name) for name in KeyView.model_fields if name not in {"scopes", "valid"}}
    expired = row.expires_at is not None and row.expires_at <= row.now
    scopes = tuple(scope for scope in row.scopes.split(",") if scope in SCOPES)
    return KeyView(**given, scopes=scopes, valid=row.revoked_at is None and not expired)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()

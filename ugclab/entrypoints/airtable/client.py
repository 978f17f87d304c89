"""Airtable's API as we use it: at its pace, patient, and never repeating a write that may have arrived.

Airtable lets in 5 requests a second for a base and answers 429 above, after which it wants to be left alone for 30 s.
Reads are tried again after 429, 5xx and broken connections. A write that ended in doubt (5xx, no answer) is not sent
again blindly: what it was to change is read, and only what did not arrive is sent once more.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ugclab.entrypoints.airtable.fields import COLUMNS, STATUS, Column, Compared, Found, Status, compare
from ugclab.errors import EngineUnavailable, InputError, NetworkError, UgclabError
from ugclab.settings import Settings

if TYPE_CHECKING:
    from pyairtable import Api, Table
    from pyairtable.formulas import Formula
    from requests import HTTPError

SPACING_S = 0.25
"""Between two requests: 4 a second, so that the first of another process is no sixth."""
ALONE_S = 30.0
"""How long Airtable wants to be left alone after 429."""
TRIES = 5
BATCH = 10
"""Rows in one write, at most."""

_BACKOFF_S = 1.0
_TIMEOUT_S = (10, 60)
_SCOPES = "data.records:read, data.records:write, schema.bases:read, and for init schema.bases:write"


@dataclass(frozen=True, slots=True)
class Row:
    """A record, with the cells that are not empty."""

    record_id: str
    cells: Mapping[str, Any]

    @property
    def status(self) -> str:
        """Where it stands, as it is written there."""
        return str(self.cells.get(STATUS.name, ""))


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be written into a row: a state with the cells that go with it, or cells alone."""

    record_id: str
    status: Status | None
    cells: Mapping[str, Any]

    def arrived(self, row: Row) -> bool:
        """Whether the row has it already: a state and its cells are written together."""
        if self.status is not None:
            return row.status == self.status
        return all(row.cells.get(name) == value for name, value in self.cells.items())


class Airtable:
    """One table of one base. `clock` and `sleep` are in seconds."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Raises InputError for missing settings, EngineUnavailable for a missing package; asks nobody anything."""
        for value, name, hint in (
            (settings.airtable_key.get_secret_value(), "KEY", "make a token at airtable.com/create/tokens"),
            (settings.airtable_base, "BASE", "it is the app… in the address of the base's page"),
        ):
            if not value.strip():
                raise InputError(f"UGCLAB_AIRTABLE_{name} is not set", hint=hint)
        self.base_id, self.table_name = settings.airtable_base.strip(), settings.airtable_table.strip()
        self._sleep = sleep
        self._api = _open(settings, clock, sleep)
        self._found: tuple[Found, ...] = ()
        self.table_id = ""

    # the table

    def look(self) -> Compared | None:
        """Compare the table with what is looked for; None where there is no such table."""
        with _told("reading the base's tables"):
            schema = self._api.base(self.base_id).schema(force=True)
        for table in schema.tables:
            if self.table_name in (table.id, table.name):
                self.table_id = table.id
                self._found = tuple(Found(f.name, _type(f), _choices(f), f.id) for f in table.fields)
                return compare(self._found)
        return None

    def require(self) -> Compared:
        """The same, of a table that rows can be taken from. Raises InputError for any other."""
        compared = self.look()
        if compared is None:
            raise InputError(f"the base has no table '{self.table_name}'", hint="make it with: ugclab airtable init")
        if lacks := compared.lacks:
            reasons = [text for text in compared.differs if text.split()[0] in lacks]
            reasons += [f"{c.name} is missing" for c in compared.missing if c.needed]
            raise InputError(
                f"the table '{self.table_name}' does not serve: {'; '.join(reasons)}",
                hint="ugclab airtable init makes what is missing; what differs is for you to change",
            )
        return compared

    @property
    def columns(self) -> Mapping[str, str]:
        """Names and ids of the columns that are there, of the last look."""
        return {found.name: found.id for found in self._found}

    def make_table(self) -> None:
        """Make the table with all columns."""
        with _told("making the table"):
            self._api.base(self.base_id).create_table(self.table_name, [column.model() for column in COLUMNS])

    def make_column(self, column: Column) -> None:
        """Add a column to the table of the last look."""
        model = column.model()
        with _told(f"making the column {column.name}"):
            self._table.create_field(column.name, column.type, model["description"], model.get("options"))

    # rows

    @property
    def _table(self) -> "Table":
        return self._api.table(self.base_id, self.table_id or self.table_name)

    def rows(self, *statuses: Status) -> list[Row]:
        """All rows in one of these states, in the table's order, page by page."""
        from pyairtable.formulas import EQ, OR, Field

        return self._listed(OR(*(EQ(Field(STATUS.name), status.value) for status in statuses)))

    def row(self, record_id: str) -> Row:
        """One row. Raises InputError for one that is not there."""
        if found := self._by_id([record_id]):
            return found[0]
        raise InputError(
            f"the table has no row {record_id[:40]!r}", hint="rec… : expand the row in Airtable, and see its address"
        )

    def _by_id(self, record_ids: Iterable[str]) -> list[Row]:
        from pyairtable.formulas import EQ, OR, RECORD_ID

        return self._listed(OR(*(EQ(RECORD_ID(), record_id) for record_id in record_ids)))

    def _listed(self, formula: "Formula") -> list[Row]:
        from requests import HTTPError

        wanted = [column.name for column in COLUMNS if column.name in self.columns] if self._found else None
        options: dict[str, Any] = {"formula": formula} | ({"fields": wanted} if wanted else {})
        with _told("reading rows"):
            for again in (True, True, False):
                try:
                    return [Row(r["id"], r["fields"]) for r in self._table.all(**options)]
                except HTTPError as error:  # an iterator lives for minutes: then the list is begun anew
                    if not again or _refusal(error)[0] != "LIST_RECORDS_ITERATOR_NOT_AVAILABLE":
                        raise
        raise AssertionError("unreachable")

    def write(self, changes: Sequence[Change]) -> list[tuple[Change, str]]:
        """Write into rows, ten at a time; returns what could not be written, each with the reason.

        One row that is gone, or refused, keeps none of the others back. Raises InputError, NetworkError.
        """
        chunks = (changes[at : at + BATCH] for at in range(0, len(changes), BATCH))
        return [fault for chunk in chunks for fault in self._write(chunk)]

    def _write(self, chunk: Sequence[Change]) -> list[tuple[Change, str]]:
        from requests import HTTPError, RequestException

        left = chunk
        for tried in range(TRIES):
            try:
                self._table.batch_update([{"id": c.record_id, "fields": _cells(c)} for c in left])
                return []
            except HTTPError as error:
                if _code(error) in (403, 404, 422):
                    return self._sifted(left, error)
                if _code(error) < 500:
                    raise _ours(error, "writing into rows") from error
                doubt: RequestException = error
            except RequestException as error:
                doubt = error
            self._sleep(_BACKOFF_S * 2**tried)
            here = {row.record_id: row for row in self._by_id(c.record_id for c in left)}
            left = [c for c in left if c.record_id not in here or not c.arrived(here[c.record_id])]
            if not left:
                return []
        raise _ours(doubt, "writing into rows") from doubt

    def _sifted(self, chunk: Sequence[Change], error: "HTTPError") -> list[tuple[Change, str]]:
        """Find what of a refused write is at fault, and write the rest."""
        here = {row.record_id for row in self._by_id(c.record_id for c in chunk)}
        gone = [c for c in chunk if c.record_id not in here]
        if gone:
            rest = [c for c in chunk if c.record_id in here]
            return [(c, "the row is gone") for c in gone] + (self._write(rest) if rest else [])
        if _code(error) != 422:
            raise _ours(error, "writing into rows") from error
        if len(chunk) > 1:
            return [fault for change in chunk for fault in self._write([change])]
        return [(chunk[0], str(_ours(error, "writing into the row")))]


def _cells(change: Change) -> dict[str, Any]:
    return ({} if change.status is None else {STATUS.name: change.status.value}) | dict(change.cells)


def _type(field: Any) -> str:
    return str(getattr(field.type, "value", field.type))  # an enumeration, but for types that are newer than pyairtable


def _choices(field: Any) -> tuple[str, ...]:
    return tuple(choice.name for choice in getattr(getattr(field, "options", None), "choices", None) or ())


def _open(settings: Settings, clock: Callable[[], float], sleep: Callable[[float], None]) -> "Api":
    try:
        from pyairtable import Api
        from requests import ConnectionError as Broken
        from requests import PreparedRequest, Response, Timeout
        from requests.adapters import HTTPAdapter
        from requests.exceptions import ChunkedEncodingError as Torn
    except ModuleNotFoundError as error:
        raise EngineUnavailable(f"Airtable needs {error.name}", hint="pip install 'ugclab[airtable]'") from error

    class Patient(HTTPAdapter):
        """Keeps Airtable's pace, and tries again what can be tried again."""

        _free_at = 0.0

        def send(self, request: PreparedRequest, *words: Any, **options: Any) -> Response:
            """Send one request, as often as it takes. A write is repeated after 429 alone: nothing of it was done."""
            for tried in range(TRIES):
                last, reads = tried == TRIES - 1, request.method == "GET"
                self._pace()
                try:
                    response = super().send(request, *words, **options)
                    response.content  # noqa: B018 half an answer is none: it is read here, where it can be asked again
                except (Broken, Torn, Timeout):
                    if last or not reads:
                        raise
                    sleep(_BACKOFF_S * 2**tried)
                    continue
                if last or not (response.status_code == 429 or (reads and response.status_code >= 500)):
                    return response
                response.close()
                sleep(ALONE_S if response.status_code == 429 else _BACKOFF_S * 2**tried)
            raise AssertionError("unreachable")

        def _pace(self) -> None:
            if (wait := self._free_at - clock()) > 0:
                sleep(wait)
            self._free_at = clock() + SPACING_S

    api = Api(
        settings.airtable_key.get_secret_value().strip(),
        endpoint_url=settings.airtable_url.rstrip("/"),
        timeout=_TIMEOUT_S,
        retry_strategy=None,
    )
    for scheme in ("https://", "http://"):
        api.session.mount(scheme, Patient())
    return api


@contextmanager
def _told(doing: str) -> Iterator[None]:
    from requests import RequestException

    try:
        yield
    except RequestException as error:
        raise _ours(error, doing) from error


def _code(error: "HTTPError") -> int:
    return 0 if error.response is None else error.response.status_code


def _refusal(error: "HTTPError") -> tuple[str, str]:
    """Type and message of Airtable's answer; both may be empty."""
    try:
        said = None if error.response is None else error.response.json()
    except ValueError:
        return "", ""
    found = said.get("error", "") if isinstance(said, dict) else ""
    if isinstance(found, dict):
        return str(found.get("type", "")), " ".join(str(found.get("message", "")).split())[:300]
    return str(found), ""


def _ours(error: Exception, doing: str) -> UgclabError:
    """Airtable's answer as an error of ours: without an address, a header or a body of the request."""
    from requests import HTTPError

    if not isinstance(error, HTTPError):
        return NetworkError(f"Airtable does not answer ({type(error).__name__}), {doing}", hint="try again later")
    code = _code(error)
    kind, message = _refusal(error)
    if code == 401:
        return InputError("Airtable does not know the token", hint="set UGCLAB_AIRTABLE_KEY to one that is valid")
    if code in (403, 404):
        return InputError(
            f"Airtable does not allow it, or there is no such base or table ({code}), {doing}",
            hint=f"the token needs the scopes {_SCOPES}, and the base among what it may reach",
        )
    if code == 429:
        return NetworkError(
            f"Airtable still answers 429, {doing}",
            hint="the month's API calls may be used up: see the workspace's plan",
        )
    if code >= 500:
        return NetworkError(f"Airtable answers {code}, {doing}", hint="try again later")
    return InputError(
        f"Airtable refuses it ({code} {kind}), {doing}" + (f": {message}" if message else ""),
        hint="ugclab airtable init says what differs in the table",
    )

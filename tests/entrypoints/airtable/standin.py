"""Airtable on loopback: the shapes of its API, its limits, its refusals, and faults at any request.

It evaluates the formulas we send, pages, wants a token, knows columns and their types, refuses batches of more than 10,
lets in five requests a second by the clock it is given, and writes down each value that a row's Status has had.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "patTESTTESTTEST.0123456789abcdef0123456789abcdef"  # noqa: S105 of the stand-in alone
BASE = "appTESTTESTTEST01"
PENALTY_S = 30.0
PER_SECOND = 5

Fault = str
"""What goes wrong with a request: an HTTP status; "lost" (done, and no answer), "drop" (not done, and no answer),
"500-done" (done, and answered with 500), "torn" (done, and half an answer)."""


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self._lock = threading.Lock()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.now += seconds
            self.slept.append(seconds)


class Refused(Exception):
    """An answer other than 200."""

    def __init__(self, code: int, body: Any) -> None:
        super().__init__(code)
        self.code, self.body = code, body


def refusal(code: int, kind: str, message: str = "") -> Refused:
    return Refused(code, {"error": {"type": kind, "message": message}} if message else {"error": kind})


@dataclass
class Table:
    id: str
    name: str
    fields: list[dict[str, Any]]
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass
class Standin:
    """A base, and what was asked of it."""

    clock: Clock
    port: int = 0
    tables: list[Table] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of each request, refused or not."""
    states: dict[str, list[str]] = field(default_factory=dict)
    """Each row's values of Status in the order in which they were written: by us or by a person."""
    writes: list[list[dict[str, Any]]] = field(default_factory=list)
    fault: Callable[[int, str, str], Fault] = lambda number, method, path: ""
    """Asked before each request is answered, with its number from 0."""
    scopes: set[str] = field(default_factory=lambda: {"read", "write", "schema", "schema-write"})
    page: int = 100
    limited: bool = True
    penalties: int = 0
    _times: list[float] = field(default_factory=list)
    _free_at: float = 0.0
    _ids: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # what a person does at the page

    def new_id(self, kind: str) -> str:
        self._ids += 1
        return f"{kind}{self._ids:014d}"

    def table(self, name: str, *columns: dict[str, Any]) -> Table:
        made = [{"id": self.new_id("fld"), **column} for column in columns]
        self.tables.append(Table(self.new_id("tbl"), name, made))
        return self.tables[-1]

    def row(self, **cells: Any) -> str:
        """A new row in the first table."""
        record_id = self.new_id("rec")
        self.tables[0].rows[record_id] = dict(cells)
        self.states[record_id] = [cells["Status"]] if "Status" in cells else []
        return record_id

    def person(self, record_id: str, **cells: Any) -> None:
        """Somebody changes a row by hand."""
        self.tables[0].rows[record_id] |= cells
        if "Status" in cells:
            self.states[record_id].append(cells["Status"])

    # what the API does

    def answer(self, method: str, target: str, token: str, body: Any) -> Any:
        path = [unquote(part) for part in urlsplit(target).path.strip("/").split("/")]
        query = parse_qs(urlsplit(target).query)
        if token != f"Bearer {TOKEN}":
            raise refusal(401, "AUTHENTICATION_REQUIRED", "Authentication required")
        self._limit()
        if path[:3] == ["v0", "meta", "bases"] and path[3] == BASE and path[4] == "tables":
            self._needs("schema-write" if method == "POST" else "schema")
            return self._schema(method, path[5:], body)
        if path[0] == "v0" and path[1] == BASE and len(path) >= 3:
            self._needs("read" if method == "GET" else "write")
            table = next((t for t in self.tables if path[2] in (t.id, t.name)), None)
            if table is None:
                raise refusal(403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND", "Invalid permissions, or no such model")
            return self._list(table, query) if method == "GET" else self._update(table, body)
        raise refusal(404, "NOT_FOUND")

    def _limit(self) -> None:
        now = self.clock()
        self._times = [at for at in self._times if at > now - 1] + [now]
        if self.limited and (now < self._free_at or len(self._times) > PER_SECOND):
            self._free_at = now + PENALTY_S
            self.penalties += 1
            raise Refused(429, {"errors": [{"error": "RATE_LIMIT_REACHED", "message": "Rate limit exceeded."}]})

    def _needs(self, scope: str) -> None:
        if scope not in self.scopes:
            raise refusal(403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND", "Invalid permissions, or no such model")

    def _schema(self, method: str, path: list[str], body: Any) -> Any:
        if method == "GET":
            return {"tables": [self._described(table) for table in self.tables]}
        if not path:
            if body["fields"][0]["type"] in ("singleSelect", "multipleAttachments"):
                raise refusal(422, "INVALID_FIELD_TYPE_FOR_PRIMARY_FIELD", "Not for a primary field")
            for column in body["fields"]:
                self._check_column(column)
            return self._described(self.table(body["name"], *body["fields"]))
        table = next(t for t in self.tables if t.id == path[0])
        if any(f["name"] == body["name"] for f in table.fields):
            raise refusal(422, "DUPLICATE_OR_EMPTY_FIELD_NAME", "The name is taken")
        self._check_column(body)
        table.fields.append({"id": self.new_id("fld"), **body})
        return table.fields[-1]

    @staticmethod
    def _check_column(column: dict[str, Any]) -> None:
        wants = {"singleSelect": "choices", "number": "precision"}.get(column["type"])
        if wants and wants not in column.get("options", {}):
            raise refusal(422, "INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE", f"Options are missing: {wants}")

    def _described(self, table: Table) -> dict[str, Any]:
        fields = []
        for column in table.fields:
            options = dict(column.get("options", {}))
            if "choices" in options:
                options["choices"] = [{"id": f"sel{n:014d}", **c} for n, c in enumerate(options["choices"])]
            if column["type"] == "multipleAttachments":
                options = {"isReversed": False}
            fields.append({**column, "options": options} if options else dict(column))
        first = table.fields[0]["id"]
        views = [{"id": "viw00000000000001", "name": "Grid view", "type": "grid"}]
        return {"id": table.id, "name": table.name, "primaryFieldId": first, "fields": fields, "views": views}

    def _list(self, table: Table, query: dict[str, list[str]]) -> Any:
        wanted = query.get("fields[]")
        names = {f["name"] for f in table.fields}
        for name in wanted or ():
            if name not in names:
                raise refusal(422, "UNKNOWN_FIELD_NAME", f'Unknown field name: "{name}"')
        formula = query.get("filterByFormula", [""])[0]
        found = [i for i, cells in table.rows.items() if not formula or Formula(formula).of(i, cells, names)]
        start = int(query.get("offset", ["itr/0"])[0].partition("/")[2])
        rows = [
            {
                "id": i,
                "createdTime": "2026-11-20T10:00:00.000Z",
                "fields": {
                    n: v
                    for n, v in table.rows[i].items()
                    if v not in (None, "", []) and (wanted is None or n in wanted)
                },
            }
            for i in found[start : start + self.page]
        ]
        more = {"offset": f"itr/{start + self.page}"} if start + self.page < len(found) else {}
        return {"records": rows, **more}

    def _update(self, table: Table, body: Any) -> Any:
        records = body["records"]
        if len(records) > 10:
            raise refusal(422, "INVALID_RECORDS", "You can only update up to 10 records at once")
        columns = {f["name"]: f for f in table.fields}
        for record in records:  # all or nothing
            if record["id"] not in table.rows:
                raise refusal(422, "ROW_DOES_NOT_EXIST", f"Record ID {record['id']} does not exist in this table")
            for name, value in record["fields"].items():
                self._check_cell(columns, name, value)
        self.writes.append(records)
        for record in records:
            table.rows[record["id"]] |= record["fields"]
            if "Status" in record["fields"]:
                self.states.setdefault(record["id"], []).append(record["fields"]["Status"])
        return {
            "records": [
                {"id": r["id"], "createdTime": "2026-11-20T10:00:00.000Z", "fields": table.rows[r["id"]]}
                for r in records
            ]
        }

    @staticmethod
    def _check_cell(columns: dict[str, dict[str, Any]], name: str, value: Any) -> None:
        if name not in columns:
            raise refusal(422, "UNKNOWN_FIELD_NAME", f'Unknown field name: "{name}"')
        column = columns[name]
        choices = [c["name"] for c in column.get("options", {}).get("choices", [])]
        if column["type"] == "singleSelect" and value not in (None, *choices):
            raise refusal(422, "INVALID_MULTIPLE_CHOICE_OPTIONS", f'Insufficient permissions to create "{value}"')
        kinds: dict[str, type | tuple[type, ...]] = {"number": (int, float), "multipleAttachments": list}
        if value is not None and not isinstance(value, kinds.get(column["type"], str)):
            raise refusal(422, "INVALID_VALUE_FOR_COLUMN", f"Field {name} cannot accept the provided value")


class Formula:
    """OR(…), AND(…), {Column}="text", {Column}!="text" and RECORD_ID()="text", with Airtable's escapes in texts."""

    _WORDS = re.compile(
        r"""\s*(?:(OR|AND)\(|(RECORD_ID\(\))|\{((?:[^}\\]|\\.)*)\}|(["'])((?:[^\\]|\\.)*?)\4|(!=|[=,)]))"""
    )

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0

    def of(self, record_id: str, cells: dict[str, Any], names: set[str]) -> bool:
        self._at = 0
        found = self._term(record_id, cells, names)
        if self._at != len(self._text):
            raise refusal(422, "INVALID_FILTER_BY_FORMULA", "The formula for filtering records is invalid")
        return bool(found)

    def _term(self, record_id: str, cells: dict[str, Any], names: set[str]) -> bool:
        word = self._next()
        if word[1]:
            results = []
            while True:
                results.append(self._term(record_id, cells, names))
                if self._next()[6] == ")":
                    return any(results) if word[1] == "OR" else all(results)
        if word[3] is not None and word[3] not in names:
            raise refusal(422, "INVALID_FILTER_BY_FORMULA", f"Unknown field names: {word[3].lower()}")
        left = record_id if word[2] else str(cells.get(word[3]) or "")
        equal = self._next()[6]
        assert equal in ("=", "!=")
        return (left == re.sub(r"\\(.)", r"\1", self._next()[5])) == (equal == "=")

    def _next(self) -> re.Match[str]:
        found = self._WORDS.match(self._text, self._at)
        if found is None:
            raise refusal(422, "INVALID_FILTER_BY_FORMULA", "The formula for filtering records is invalid")
        self._at = found.end()
        return found


@contextmanager
def airtable() -> Iterator[Standin]:
    """Run it while the block lasts."""
    lock = threading.Lock()
    standin = Standin(Clock())

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            length = int(self.headers.get("content-length", 0))
            body = json.loads(self.rfile.read(length)) if length else None
            with lock:
                number = len(standin.asked)
                standin.asked.append((self.command, self.path))
                fault = standin.fault(number, self.command, self.path)
                if fault == "drop":
                    return self._hang_up()
                try:
                    if fault.isdigit():
                        raise refusal(int(fault), "SERVER_ERROR", "Something went wrong")
                    code, said = 200, standin.answer(self.command, self.path, self.headers["authorization"], body)
                except Refused as refused:
                    code, said = refused.code, refused.body
            if fault == "lost":
                return self._hang_up()
            if fault == "500-done":
                code, said = 500, {"error": {"type": "SERVER_ERROR", "message": "Something went wrong"}}
            data = json.dumps(said).encode()
            self.send_response(code)
            self.send_header("content-type", "application/json; charset=utf-8")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if fault == "torn" else data)
            if fault == "torn":
                self.close_connection = True
            return None

        def _hang_up(self) -> None:
            self.close_connection = True

        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def do_PATCH(self) -> None:
            self._serve()

        def log_message(self, *words: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """A client hung up."""

    server = Server(("127.0.0.1", 0), Handler)
    standin.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield standin
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""Airtable's pace, its refusals, and what is said of them."""

from typing import Any

import pytest
from pydantic import SecretStr

from tests.entrypoints.airtable.conftest import GOOD
from tests.entrypoints.airtable.standin import PENALTY_S, TOKEN, Standin
from ugclab.entrypoints.airtable.client import TRIES, Airtable, Change
from ugclab.entrypoints.airtable.fields import COLUMNS, Status
from ugclab.errors import InputError, NetworkError, UgclabError
from ugclab.settings import Settings


def test_rows_come_page_by_page_at_airtables_pace(base: Standin, table: Airtable) -> None:
    base.page = 5
    rows = [base.row(**GOOD) for _ in range(60)]
    base.row(**(GOOD | {"Status": "Complete"}))
    table.require()
    assert [row.record_id for row in table.rows(Status.PENDING, Status.PROCESSING)] == rows
    assert len(base.asked) == 13
    assert base.penalties == 0
    assert base.clock.now - 1000 == pytest.approx(12 * 0.25)


def test_after_429_it_is_left_alone_for_30_s(base: Standin, table: Airtable, mine: Settings) -> None:
    table.require()
    other = Airtable(mine, clock=base.clock, sleep=lambda seconds: None)  # somebody without manners
    for _ in range(4):
        other.rows(Status.PENDING)
    with pytest.raises(NetworkError, match="still answers 429"):
        other.rows(Status.PENDING)
    asked = len(base.asked)
    assert table.rows(Status.PENDING) == []
    assert PENALTY_S in base.clock.slept
    assert len(base.asked) == asked + 2


@pytest.mark.parametrize("fault", ["500", "502", "503", "drop", "lost", "torn", "429"])
def test_reads_are_tried_again(base: Standin, table: Airtable, fault: str) -> None:
    row = base.row(**GOOD)
    table.require()
    first = len(base.asked)
    base.fault = lambda number, method, path: fault if number < first + TRIES - 1 else ""
    assert [r.record_id for r in table.rows(Status.PENDING)] == [row]
    base.fault = lambda number, method, path: fault
    with pytest.raises(NetworkError):
        table.rows(Status.PENDING)


def test_a_list_that_airtable_forgot_is_begun_anew(
    base: Standin, table: Airtable, monkeypatch: pytest.MonkeyPatch
) -> None:
    base.page, expired = 2, []
    rows = [base.row(**GOOD) for _ in range(5)]
    answer = base.answer

    def forgetful(method: str, target: str, token: str, body: Any) -> Any:
        if "itr%2F4" in target and not expired:
            expired.append(target)
            raise type(refusal)(422, {"error": {"type": "LIST_RECORDS_ITERATOR_NOT_AVAILABLE", "message": "x"}})
        return answer(method, target, token, body)

    from tests.entrypoints.airtable.standin import Refused

    refusal = Refused(0, "")
    monkeypatch.setattr(base, "answer", forgetful)
    table.require()
    assert [row.record_id for row in table.rows(Status.PENDING)] == rows
    assert expired


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        ("401", InputError, "does not know the token"),
        ("403", InputError, "does not allow it"),
        ("404", InputError, "does not allow it"),
        ("422", InputError, "refuses it (422 SERVER_ERROR), reading the base's tables: Something went wrong"),
        ("500", NetworkError, "answers 500"),
        ("429", NetworkError, "still answers 429"),
        ("drop", NetworkError, "does not answer (ConnectionError)"),
    ],
)
def test_what_is_said_names_no_secret_and_what_to_do(
    base: Standin, table: Airtable, fault: str, kind: type[UgclabError], said: str
) -> None:
    base.fault = lambda number, method, path: fault
    with pytest.raises(kind) as caught:
        table.look()
    assert said in caught.value.message
    assert caught.value.hint
    assert TOKEN not in f"{caught.value} {table!r} {vars(table)!r}"


def test_a_wrong_token_and_missing_scopes_and_settings(base: Standin, mine: Settings, table: Airtable) -> None:
    with pytest.raises(InputError, match="does not know the token"):
        Airtable(mine.model_copy(update={"airtable_key": SecretStr("patWRONG.0")}), sleep=lambda s: None).look()
    for name in ("airtable_key", "airtable_base"):
        empty = SecretStr(" ") if name.endswith("key") else ""
        with pytest.raises(InputError, match=f"UGCLAB_{name.upper()} is not set"):
            Airtable(mine.model_copy(update={name: empty}))
    base.scopes = {"read", "schema"}
    table.require()
    row = base.row(**GOOD)
    with pytest.raises(InputError, match="403") as caught:
        table.write([Change(row, Status.PROCESSING, {})])
    assert "data.records:write" in caught.value.hint
    assert base.states[row] == ["Pending"]


def test_a_write_that_never_arrives_ends(base: Standin, table: Airtable) -> None:
    row = base.row(**GOOD)
    table.require()
    base.fault = lambda number, method, path: "503" if method == "PATCH" else ""
    with pytest.raises(NetworkError, match="503"):
        table.write([Change(row, Status.PROCESSING, {})])
    assert [method for method, _ in base.asked].count("PATCH") == TRIES
    assert base.states[row] == ["Pending"]


def test_a_table_of_a_nasty_name(empty: Standin, mine: Settings) -> None:
    name = 'Ann\'s "videos" {1}/ü %2F'
    empty.table(name, *(column.model() for column in COLUMNS))
    row = empty.row(**GOOD)
    table = Airtable(mine.model_copy(update={"airtable_table": name}), clock=empty.clock, sleep=empty.clock.sleep)
    table.require()
    assert table.row(row).status == "Pending"
    by_id = Airtable(
        mine.model_copy(update={"airtable_table": empty.tables[0].id}), clock=empty.clock, sleep=empty.clock.sleep
    )
    assert by_id.require().lacks == ()
    assert by_id.table_id == table.table_id

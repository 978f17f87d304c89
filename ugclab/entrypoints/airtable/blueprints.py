"""The same flow as scenarios for Make: submit, poll, result. `ugclab airtable make` and deploy/make/ come from here.

A blueprint is Make's own export: {name, flow, metadata}. It holds no connection, no webhook and no key: those are
chosen in Make after the import. Cells are read by a column's name and written by its id, as Make's Airtable modules do;
without a base of one's own (`TEMPLATE`) names stand for the ids, and the columns are chosen again after the import.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ugclab.entrypoints.airtable import fields
from ugclab.entrypoints.airtable.fields import COLUMNS, Status
from ugclab.entrypoints.airtable.targets import Target
from ugclab.media.output import check_folder, whole_file

Module = dict[str, Any]

AT_ONCE = 10
"""Rows that one run of a scenario takes."""
_STEP_PX = 300


@dataclass(frozen=True, slots=True)
class Place:
    """A table, and the ids of its columns by their names."""

    base: str
    table: str
    columns: Mapping[str, str]


TEMPLATE = Place("", "", {column.name: column.name for column in COLUMNS})


def write(folder: Path, target: Target, place: Place = TEMPLATE) -> list[Path]:
    """Write the three scenarios into a folder, and return their paths."""
    made = []
    folder.mkdir(parents=True, exist_ok=True)
    for name, blueprint in scenarios(target, place).items():
        path = folder / f"{name}.json"
        check_folder(path)
        with whole_file(path) as part:
            part.write_text(json.dumps(blueprint, indent=2, ensure_ascii=False) + "\n")
        made.append(path)
    return made


def scenarios(target: Target, place: Place = TEMPLATE) -> dict[str, dict[str, Any]]:
    """The blueprints by their files' names."""
    return {
        "1-submit": _submit(target, place),
        "2-poll": _poll(target, place),
        "3-result": _result(target, place),
    }


def _submit(target: Target, place: Place) -> dict[str, Any]:
    """Pending rows: marked first, so that a run that dies submits none of them twice; then sent."""
    empty = {c.name: "" for c in (fields.JOB, fields.OUTPUT, fields.ERROR)}
    refused = ". ".join(f"{{{{3.data.{name}}}}}" for name in target.refused) + " ({{3.statusCode}})"
    flow = [
        _search(1, 0, f'{{{fields.STATUS.name}}}="{Status.PENDING}"', place),
        _update(2, 1, "{{1.id}}", {fields.STATUS.name: Status.PROCESSING.value, **empty}, place),
        _http(3, 2, "post", target.submit_url, target.body),
        _router(
            4,
            3,
            [
                _when("taken", f"{{{{3.data.{target.job}}}}}", "exist"),
                _update(5, 4, "{{1.id}}", {fields.JOB.name: f"{{{{3.data.{target.job}}}}}"}, place),
            ],
            [
                _when("refused", f"{{{{3.data.{target.job}}}}}", "notexist"),
                _update(6, 4, "{{1.id}}", _failed(refused), place),
            ],
        ),
    ]
    return _scenario(f"ugclab 1: new row to {target.name}", flow)


def _poll(target: Target, place: Place) -> dict[str, Any]:
    """Rows under way: asked for one by one. In place of the webhook, or beside it for news that got lost."""
    formula = f'AND({{{fields.STATUS.name}}}="{Status.PROCESSING}", {{{fields.JOB.name}}}!="")'
    flow = [
        _search(1, 0, formula, place),
        _http(2, 1, "get", f"{target.status_url}{{{{1.{fields.JOB.name}}}}}"),
        _outcome(3, 2, "2.data.", "{{1.id}}", target, target.video, target.reason, place, gone="{{2.statusCode}}"),
    ]
    return _scenario(f"ugclab 2: ask {target.name}, result to row", flow)


def _result(target: Target, place: Place) -> dict[str, Any]:
    """News of a job's end: only a row that is still Processing is changed, so that news told twice changes it once."""
    found = target.news_formula.format(f"{{{{1.{target.news_key}}}}}")
    flow = [
        {
            "id": 1,
            "module": "gateway:CustomWebHook",
            "version": 1,
            "parameters": {"maxResults": 1},
            "mapper": {},
            "metadata": _at(0, "a job has ended"),
        },
        _search(2, 1, f'AND({found}, {{{fields.STATUS.name}}}="{Status.PROCESSING}")', place, most=1),
        _outcome(3, 2, "1.", "{{2.id}}", target, target.news_video, target.news_reason, place),
    ]
    return _scenario(f"ugclab 3: news of {target.name} to row", flow, instant=True)


def _outcome(
    number: int,
    column: int,
    answer: str,
    row: str,
    target: Target,
    video: str,
    reason: Sequence[str],
    place: Place,
    gone: str = "",
) -> Module:
    """By the state of a job: the address into its row, or the reason. `gone` is an answer's HTTP status."""
    state = f"{{{{{answer}status}}}}"
    done = {
        fields.STATUS.name: Status.COMPLETE.value,
        fields.OUTPUT.name: f"{{{{{answer}{video}}}}}",
        fields.ERROR.name: "",
    }
    why = ". ".join(f"{{{{{answer}{name}}}}}" for name in reason) + f" ({state})"
    routes = [
        [_when("done", state, "text:equal", target.done), _update(number + 1, column + 1, row, done, place)],
        [
            _when("failed", state, "text:equal", *target.failed),
            _update(number + 2, column + 1, row, _failed(why), place),
        ],
    ]
    if gone:
        lost = _update(number + 3, column + 1, row, _failed("the job is no longer known"), place)
        routes.append([_when("gone", gone, "text:equal", "404"), lost])
    return _router(number, column, *routes)


def _failed(why: str) -> dict[str, str]:
    return {fields.STATUS.name: Status.FAILED.value, fields.ERROR.name: why}


def _search(number: int, column: int, formula: str, place: Place, most: int = AT_ONCE) -> Module:
    mapper = {
        "base": place.base,
        "table": place.table,
        "formula": formula,
        "maxRecords": str(most),
        "useColumnId": False,
    }
    return _airtable("ActionSearchRecords", number, column, mapper, "rows")


def _update(number: int, column: int, row: str, cells: Mapping[str, str], place: Place) -> Module:
    record = {place.columns[name]: value for name, value in cells.items() if name in place.columns}
    mapper = {
        "base": place.base,
        "table": place.table,
        "id": row,
        "record": record,
        "typecast": False,
        "useColumnId": False,
    }
    return _airtable("ActionUpdateRecords", number, column, mapper, cells.get(fields.STATUS.name, fields.JOB.name))


def _airtable(action: str, number: int, column: int, mapper: dict[str, Any], name: str) -> Module:
    return {
        "id": number,
        "module": f"airtable:{action}",
        "version": 3,
        "parameters": {},
        "mapper": mapper,
        "metadata": _at(column, name),
    }


def _http(number: int, column: int, method: str, url: str, body: Mapping[str, Any] | None = None) -> Module:
    mapper: dict[str, Any] = {
        "url": url,
        "method": method,
        "headers": [],
        "parseResponse": True,
        "stopOnHttpError": False,
        "allowRedirects": False,
        "shareCookies": False,
        "requestCompressedContent": True,
    }
    if body is not None:
        text = json.dumps(body, indent=2).replace('\\"', '"').replace("\\\\", "\\")  # Make's own words are no JSON
        mapper |= {"contentType": "json", "inputMethod": "jsonString", "jsonStringBodyContent": text}
    return {
        "id": number,
        "module": "http:MakeRequest",
        "version": 4,
        "parameters": {"authenticationType": "apiKey", "tlsType": "", "proxyKeychain": ""},
        "mapper": mapper,
        "metadata": _at(column, "ask" if body is None else "send"),
    }


def _when(name: str, value: str, operator: str, *others: str) -> dict[str, Any]:
    """A condition: any of its lines is enough."""
    lines = [{"a": value, "o": operator} | ({"b": other} if other else {}) for other in others or ("",)]
    return {"name": name, "conditions": [[line] for line in lines]}


def _router(number: int, column: int, *routes: Sequence[Module]) -> Module:
    """Each route is its condition and its modules; the condition stands at the first of them."""
    flows = []
    for line, (condition, first, *rest) in enumerate(routes):
        for module in (first, *rest):
            module["metadata"]["designer"]["y"] = line * _STEP_PX
        flows.append({"flow": [first | {"filter": condition}, *rest]})
    return {
        "id": number,
        "module": "builtin:BasicRouter",
        "version": 1,
        "mapper": None,
        "metadata": _at(column, "how it ended"),
        "routes": flows,
    }


def _at(column: int, name: str) -> dict[str, Any]:
    return {"designer": {"x": column * _STEP_PX, "y": 0, "name": name}}


def _scenario(name: str, flow: Sequence[Module], *, instant: bool = False) -> dict[str, Any]:
    """Runs follow each other: two at once would take the same rows."""
    return {
        "name": name,
        "flow": list(flow),
        "metadata": {
            "instant": instant,
            "version": 1,
            "scenario": {
                "roundtrips": 1,
                "maxErrors": 3,
                "autoCommit": True,
                "autoCommitTriggerLast": True,
                "sequential": True,
                "confidential": False,
                "dataloss": False,
                "dlq": False,
                "freshVariables": False,
            },
            "designer": {"orphans": []},
        },
    }

"""The scenarios for Make: their shape, what they map, and what they do, run by a small stand-in for Make.

They were not imported into Make itself. `python -m tests.test_docs` (make docs) writes deploy/make/.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.entrypoints.airtable.conftest import CLIP, FACE
from tests.entrypoints.airtable.standin import Formula
from ugclab.entrypoints.airtable.blueprints import TEMPLATE, Place, scenarios, write
from ugclab.entrypoints.airtable.fields import COLUMNS
from ugclab.entrypoints.airtable.targets import HOOK, Target
from ugclab.errors import InputError
from ugclab.jobs.webhooks import Notification
from ugclab.schema.contract import OrderInput, OrderOutput
from ugclab.schema.job import JobError, JobState

VERSIONS = {
    "gateway:CustomWebHook": 1,
    "http:MakeRequest": 4,
    "airtable:ActionSearchRecords": 3,
    "airtable:ActionUpdateRecords": 3,
    "builtin:BasicRouter": 1,
}
NAMES = {column.name for column in COLUMNS}
SERVER = Target.server("https://videos.example", HOOK)
RUNPOD = Target.runpod("ENDPOINT", HOOK)
TARGETS = pytest.mark.parametrize("target", [SERVER, RUNPOD], ids=lambda t: t.name)
FOLDER = ROOT / "deploy/make"


def write_templates() -> None:
    """Write what lies in the repository."""
    for target in (SERVER, RUNPOD):
        write(FOLDER / target.name, target)


def modules(flow: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for module in flow:
        yield module
        for route in module.get("routes", ()):
            yield from modules(route["flow"])


def mapped(value: Any) -> list[str]:
    """Everything between double braces."""
    return re.findall(r"\{\{(.*?)\}\}", json.dumps(value, ensure_ascii=False))


@TARGETS
def test_what_lies_in_the_repository_is_what_is_made(target: Target) -> None:
    made = scenarios(target)
    assert {p.stem for p in (FOLDER / target.name).iterdir()} == set(made) == {"1-submit", "2-poll", "3-result"}
    for name, blueprint in made.items():
        assert json.loads((FOLDER / target.name / f"{name}.json").read_text()) == blueprint, "type: make docs"


@TARGETS
def test_the_shape_is_that_of_an_export(target: Target) -> None:
    for name, blueprint in scenarios(target).items():
        assert set(blueprint) == {"name", "flow", "metadata"}
        metadata = blueprint["metadata"]
        assert (metadata["version"], metadata["instant"]) == (1, name == "3-result")
        assert metadata["scenario"]["sequential"] is True
        assert metadata["designer"] == {"orphans": []}
        every = list(modules(blueprint["flow"]))
        numbers = [module["id"] for module in every]
        assert numbers == sorted(set(numbers)), "each once, in the order of the flow"
        places = [tuple(module["metadata"]["designer"][axis] for axis in "xy") for module in every]
        assert len(set(places)) == len(places), "no module lies on another"
        for module in every:
            assert module["version"] == VERSIONS[module["module"]]
            assert ("routes" in module) == (module["module"] == "builtin:BasicRouter")
            for route in module.get("routes", ()):
                assert route["flow"], "a route leads somewhere"
                assert route["flow"][0]["filter"]["conditions"], "and says when"
        before: set[int] = set()
        for module in every:  # what is mapped comes from a module before
            used = {int(n) for text in mapped(module) for n in re.findall(r"(?<![\w.])(\d+)\.", text)}
            assert used <= before, (name, module["id"])
            before.add(module["id"])


@TARGETS
def test_nothing_secret_or_of_one_account_is_inside(target: Target) -> None:
    text = json.dumps([scenarios(target, place) for place in (TEMPLATE, Place("app1", "tbl1", {}))])
    for word in ("__IMTCONN__", 'hook":', 'keychain":', "Bearer", "pat", "whsec_", "rpa_"):
        assert word not in text.replace("proxyKeychain", ""), word


@TARGETS
def test_columns_are_ours_and_written_by_the_bases_own_ids(target: Target) -> None:
    place = Place("appX", "tblX", {name: f"fld{n:014d}" for n, name in enumerate(sorted(NAMES))})
    for blueprint in scenarios(target, place).values():
        for module in modules(blueprint["flow"]):
            mapper = module.get("mapper") or {}
            if module["module"].startswith("airtable:"):
                assert (mapper["base"], mapper["table"]) == ("appX", "tblX")
                assert set(mapper.get("record", {})) <= set(place.columns.values())
                for name in re.findall(r"\{(\w+)\}(?!\})", mapper.get("formula", "")):
                    assert name in NAMES
    with pytest.raises(InputError):
        Target.server("videos.example")
    with pytest.raises(InputError):
        Target.runpod("abc/../x")


class Make:
    """What of Make these scenarios need: texts with `{{…}}`, searches, updates, requests, routers and conditions."""

    def __init__(self, rows: dict[str, dict[str, Any]], ask: Callable[[str, str, Any], tuple[int, Any]]) -> None:
        self.rows, self._ask = rows, ask
        self.states: dict[str, list[str]] = {row: [cells["Status"]] for row, cells in rows.items()}

    def run(self, blueprint: dict[str, Any], news: dict[str, Any] | None = None) -> None:
        self._flow(blueprint["flow"], {}, news)

    def _flow(self, flow: list[dict[str, Any]], known: dict[int, Any], news: Any) -> None:
        if not flow:
            return
        module, rest = flow[0], flow[1:]
        if "filter" in module and not self._passes(module["filter"], known):
            return
        mapper = module.get("mapper") or {}
        for found in self._bundles(module, mapper, known, news):
            self._flow(rest, known | {module["id"]: found}, news)

    def _bundles(self, module: dict[str, Any], mapper: dict[str, Any], known: dict[int, Any], news: Any) -> list[Any]:
        match module["module"]:
            case "gateway:CustomWebHook":
                return [news]
            case "airtable:ActionSearchRecords":
                formula = Formula(self._text(mapper["formula"], known))
                found = [{"id": i} | c for i, c in self.rows.items() if formula.of(i, c, NAMES)]
                return found[: int(mapper["maxRecords"])]
            case "airtable:ActionUpdateRecords":
                cells = {name: self._text(value, known) for name, value in mapper["record"].items()}
                row = self._text(mapper["id"], known)
                self.rows[row] |= cells
                if "Status" in cells:
                    self.states[row].append(cells["Status"])
                return [cells]
            case "http:MakeRequest":
                body = mapper.get("jsonStringBodyContent")
                sent = json.loads(self._text(body, known)) if body else None
                code, data = self._ask(mapper["method"], self._text(mapper["url"], known), sent)
                return [{"statusCode": code, "data": data}]
            case "builtin:BasicRouter":
                for route in module["routes"]:
                    self._flow(route["flow"], known, news)
        return []

    def _passes(self, condition: dict[str, Any], known: dict[int, Any]) -> bool:
        return any(all(self._holds(line, known) for line in lines) for lines in condition["conditions"])

    def _holds(self, line: dict[str, Any], known: dict[int, Any]) -> bool:
        left = self._text(line["a"], known)
        match line["o"]:
            case "exist":
                return bool(left)
            case "notexist":
                return not left
        assert line["o"] == "text:equal"
        return left == line["b"]

    def _text(self, text: str, known: dict[int, Any]) -> str:
        return re.sub(r"\{\{(.*?)\}\}", lambda found: self._value(found[1], known), text)

    def _value(self, word: str, known: dict[int, Any]) -> str:
        if function := re.fullmatch(r"(ifempty|replace)\((.*)\)", word):
            first, *others = [part.strip() for part in function[2].split("; ")]
            value = self._value(first, known)
            if function[1] == "ifempty":
                return value or self._value(others[0], known)
            pattern = re.fullmatch(r'"/(.*)/g"', others[0])
            assert pattern
            assert others[1] == "space"
            return re.sub(pattern[1], " ", value)
        number, _, path = word.partition(".")
        value: Any = known[int(number)]
        for name in path.split("."):
            value = value.get(name.removesuffix("[]")) if isinstance(value, dict) else None
            if name.endswith("[]"):
                value = value[0] if value else None
        return "" if value is None else str(value)


def order(sent: dict[str, Any], target: Target) -> OrderInput:
    """What the other side reads; it also holds that every name is one of ours."""
    inner = sent["input"] if target is RUNPOD else sent
    assert sent.get("webhook", inner.get("webhook_url")) == HOOK
    assert set(inner) <= set(OrderInput.model_fields)
    return OrderInput.model_validate(inner)


GIVEN = {
    "recGOOD00000000001": {
        "Source_Video_URL": CLIP,
        "Avatar_Image_URL": FACE,
        "Consent": 'Ann "A" \\ Lee,\n2026-11-20',
    },
    "recFILES0000000002": {"Source_Video": [{"url": CLIP}], "Avatar_Image": [{"url": FACE}], "Plan": "all"},
    "recBAD000000000003": {"Source_Video_URL": CLIP},
}
MADE = "https://videos.example/r/token"
ERROR = JobError(code="face_not_found", message="no face", hint="choose another part")


def answer(target: Target, job_id: str, record_id: str, state: JobState) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is answered to a question about an ended job, and the news of it."""
    failed = state is not JobState.SUCCEEDED
    if target is SERVER:
        news = Notification(
            record_id=record_id,
            job_id=job_id,
            status=state,
            output_video_url="" if failed else MADE,
            error=ERROR if failed else None,
        )
        shown = {"job_id": job_id, "status": state.value, "error": ERROR.model_dump() if failed else None}
        return shown | {"output": None if failed else {"url": MADE}}, json.loads(news.body())
    output = OrderOutput(video_url=MADE, sha256="0" * 64, size_bytes=1, media_type="video/mp4", cost_usd=0, seconds=1)
    run: dict[str, Any] = {"id": job_id, "status": "FAILED" if failed else "COMPLETED", "delayTime": 1}
    run |= {"error": str(ERROR.message)} if failed else {"output": output.model_dump(mode="json")}
    return run, run


@TARGETS
@pytest.mark.parametrize("news", [True, False], ids=["told", "asked"])
def test_rows_go_to_jobs_and_back(target: Target, news: bool) -> None:
    made = scenarios(target)
    orders: dict[str, OrderInput] = {}

    def ask(method: str, url: str, sent: Any) -> tuple[int, Any]:
        if method == "post":
            assert url == target.submit_url
            try:
                read = order(sent, target)
            except ValueError:
                return 422, {"code": "input", "message": "avatar_image_url is missing", "hint": "", "error": "bad"}
            orders[read.record_id] = read
            return 202, {target.job: f"job-{read.record_id}", "status": "queued"}
        job_id = url.removeprefix(target.status_url)
        record_id = job_id.removeprefix("job-")
        if record_id == "gone":
            return 404, {"code": "job_not_found", "message": "there is no such job", "hint": ""}
        return 200, answer(target, job_id, record_id, ends[record_id])[0]

    ends = dict(zip(GIVEN, (JobState.SUCCEEDED, JobState.FAILED, JobState.FAILED), strict=True))
    make = Make({row: {"Status": "Pending", **cells} for row, cells in GIVEN.items()}, ask)
    make.run(made["1-submit"])
    make.run(made["1-submit"])
    good, files, bad = GIVEN
    assert set(orders) == {good, files}
    assert orders[good].consent == "Ann A Lee, 2026-11-20"
    assert orders[good].plan == "default"
    assert (orders[files].source_video_url, orders[files].avatar_image_url, orders[files].plan) == (CLIP, FACE, "all")
    assert make.states[bad] == ["Pending", "Processing", "Failed"]
    assert "(422)" in make.rows[bad]["Error"]
    for _ in range(2):  # news may be told twice
        if not news:
            make.run(made["2-poll"])
            continue
        for row in (good, files):
            make.run(made["3-result"], answer(target, f"job-{row}", row, ends[row])[1])
    assert make.states[good] == ["Pending", "Processing", "Complete"]
    assert make.states[files] == ["Pending", "Processing", "Failed"]
    assert make.rows[good]["Output_Video_URL"] == MADE
    assert "no face" in make.rows[files]["Error"]
    make.rows["recGONE"] = {"Status": "Processing", "Job_ID": "job-gone"}
    make.states["recGONE"] = ["Processing"]
    make.run(made["2-poll"])
    assert make.rows["recGONE"]["Error"] == "the job is no longer known"


def test_without_a_hook_nothing_is_sent_about_one(tmp_path: Path) -> None:
    for target in (Target.server("https://videos.example/"), Target.runpod("abc-1")):
        paths = write(tmp_path / target.name, target)
        assert len(paths) == 3
        assert "webhook" not in (tmp_path / target.name / "1-submit.json").read_text()

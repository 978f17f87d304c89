"""Orders to a serverless endpoint of Runpod, or to what speaks like one."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from pydantic import ValidationError

from ugclab.engines.remote.faults import error_there, found_in
from ugclab.engines.remote.line import Line
from ugclab.engines.remote.orders import Standing
from ugclab.engines.remote.worker import of_status
from ugclab.errors import EngineCrashed, EngineError, EngineUnavailable, StageTimeout, UgclabError
from ugclab.schema.contract import OrderInput, OrderOutput, OrderStatus
from ugclab.storage.store import Store

_OPEN = frozenset({"IN_QUEUE", "IN_PROGRESS"})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A machine that names orders itself: which one is ours is written down in the store, beside its files."""

    line: Line
    store: Store
    folder: str
    timeout_s: float

    def find(self, identity: str) -> Standing:
        """The order that was written down, if it still is one."""
        try:
            ref = str(json.loads(self.store.read_bytes(self._record(identity)))["id"])
        except (KeyError, ValueError):
            return Standing("", "absent")
        standing = self.look(ref)
        return standing if standing is not None and standing.state in ("open", "done") else Standing("", "absent")

    def place(self, identity: str, ref: str, asked: OrderInput) -> Standing:
        """POST /run; a death between its answer and the next line would cost a second order."""
        limit_ms = round(self.timeout_s * 1000)
        document = {
            "input": asked.model_dump(mode="json", exclude_defaults=True),
            "policy": {"executionTimeout": limit_ms, "ttl": limit_ms},
        }
        answer = self.line.ask("POST", "/run", document)
        made = str(answer.get("id", "")) if isinstance(answer, dict) else ""
        if not made:
            raise EngineUnavailable(
                f"{self.line.host} does not answer as an endpoint of Runpod",
                hint="check UGCLAB_REMOTE_URL and UGCLAB_REMOTE_KIND",
            )
        self.store.put_bytes(self._record(identity), json.dumps({"id": made}).encode())
        return Standing(made, "open")

    def look(self, ref: str) -> Standing | None:
        """GET /status/REF."""
        answer = self.line.ask("GET", f"/status/{quote(ref, safe='')}", missing=True)
        if answer is None:
            return None
        if not isinstance(answer, dict) or not isinstance(answer.get("status"), str):
            raise EngineUnavailable(
                f"{self.line.host} does not answer as an endpoint of Runpod",
                hint="check UGCLAB_REMOTE_URL and UGCLAB_REMOTE_KIND",
            )
        return _standing(ref, answer)

    def cancel(self, ref: str, timeout_s: float) -> None:
        """POST /cancel/REF."""
        self.line.ask("POST", f"/cancel/{quote(ref, safe='')}", missing=True, timeout_s=timeout_s)

    def forget(self, identity: str) -> None:
        """Delete what was written down."""
        self.store.delete_prefix(self._record(identity))

    def _record(self, identity: str) -> str:
        return f"{self.folder}/{identity}.json"


def _standing(ref: str, answer: dict[str, Any]) -> Standing:
    state, output = answer["status"], answer.get("output")
    if state in _OPEN:
        share = output.get("progress", 0) if isinstance(output, dict) else 0
        return Standing(ref, "open", min(max(float(share) / 100, 0.0), 1.0) if isinstance(share, int | float) else 0.0)
    if state == "COMPLETED":
        return _finished(ref, output, float(answer.get("executionTime") or 0) / 1000)
    return Standing(ref, "failed", error=_failure(state, answer))


def _finished(ref: str, output: Any, seconds: float) -> Standing:
    """What the handler returned: an OrderOutput, or an OrderStatus that holds one."""
    try:
        if isinstance(output, dict) and "status" in output:
            standing = of_status(ref, OrderStatus.model_validate({"job_id": ref} | output))
            return Standing(ref, standing.state, 1.0, standing.output, standing.error, seconds)
        return Standing(ref, "done", 1.0, OrderOutput.model_validate(output), seconds=seconds)
    except ValidationError:
        told = found_in(output)
        error = error_there(told) if told else EngineError("the other machine is done, and names no result")
        return Standing(ref, "failed", error=error)


def _failure(state: str, answer: dict[str, Any]) -> UgclabError:
    if state == "TIMED_OUT":
        return StageTimeout(
            "the other machine stopped the order: it took too long",
            hint="raise UGCLAB_REMOTE_TIMEOUT_S, or swap shorter segments",
        )
    if state == "CANCELLED":
        return EngineCrashed("the order was cancelled at the other machine, and not by us", hint="it is sent again")
    told = found_in(answer)
    return error_there(told) if told else EngineError(f"the other machine says {state}", hint="look at its log")

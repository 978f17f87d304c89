"""Orders to a server of the worker contract (schema/contract.py)."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from pydantic import ValidationError

from ugclab.engines.remote.faults import error_there
from ugclab.engines.remote.line import Line
from ugclab.engines.remote.orders import Standing
from ugclab.errors import EngineCrashed, EngineError, EngineUnavailable
from ugclab.schema.contract import Order, OrderInput, OrderState, OrderStatus

MOST_ATTEMPTS = 40
"""Orders for the same segment that have failed: then something is wrong that another one will not better."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A machine that knows orders by our own names: `IDENTITY.1`, and `IDENTITY.2` once that one has failed."""

    line: Line

    def find(self, identity: str) -> Standing:
        """Look through the names in their order: nothing has to be remembered here, whatever dies."""
        for number in range(1, MOST_ATTEMPTS + 1):
            ref = f"{identity}.{number}"
            standing = self.look(ref)
            if standing is None:
                return Standing(ref, "absent")
            if standing.state in ("open", "done"):
                return standing
        raise EngineError(
            f"{MOST_ATTEMPTS} orders for this segment have failed at {self.line.host}",
            hint="look at its log; UGCLAB_REMOTE_REVISION with another value begins anew",
        )

    def place(self, identity: str, ref: str, asked: OrderInput) -> Standing:
        """POST /execute; an order that is there already is not made again by the other machine either."""
        order = Order(job_id=ref, input=asked)
        document = order.model_dump(mode="json", by_alias=True, exclude_defaults=True) | {
            "version": order.version,
            "type": order.type.value,
        }
        self.line.ask("POST", "/execute", document)
        return Standing(ref, "open")

    def look(self, ref: str) -> Standing | None:
        """GET /execute/REF."""
        answer = self.line.ask("GET", f"/execute/{quote(ref, safe='')}", missing=True)
        return None if answer is None else _standing(ref, answer, self.line.host)

    def cancel(self, ref: str, timeout_s: float) -> None:
        """DELETE /execute/REF."""
        self.line.ask("DELETE", f"/execute/{quote(ref, safe='')}", missing=True, timeout_s=timeout_s)

    def forget(self, identity: str) -> None:
        """Nothing was written down."""


def _standing(ref: str, answer: Any, host: str) -> Standing:
    try:
        status = OrderStatus.model_validate(answer)
    except ValidationError as error:
        raise EngineUnavailable(
            f"{host} does not speak version 1 of the worker contract",
            hint="check UGCLAB_REMOTE_URL and UGCLAB_REMOTE_KIND",
        ) from error
    return of_status(ref, status)


def of_status(ref: str, status: OrderStatus) -> Standing:
    """Where the contract says that an order stands."""
    if status.status is OrderState.COMPLETED:
        if status.output is None:
            return Standing(ref, "failed", error=EngineError("the other machine is done, and names no result"))
        return Standing(ref, "done", 1.0, status.output)
    if status.status is OrderState.FAILED:
        error = error_there(status.error) if status.error else EngineCrashed("the other machine failed without a word")
        return Standing(ref, "failed", error=error)
    return Standing(ref, "open", status.progress / 100)

"""The worker contract, version 1 (schema/contract.py): this installation does the jobs of a caller elsewhere."""

from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.responses import JSONResponse, Response

from ugclab.entrypoints.server import metrics
from ugclab.entrypoints.server.callers import Executing, Measuring
from ugclab.entrypoints.server.door import described
from ugclab.entrypoints.server.job_routes import At, Root
from ugclab.entrypoints.server.readiness import Alive, Ready
from ugclab.entrypoints.web.answers import Fault
from ugclab.errors import JobConflict
from ugclab.schema.contract import Order, OrderState, OrderStatus, WorkerHealth

routes = APIRouter(tags=["worker contract"])

OrderId = Annotated[
    str, Path(alias="jobId", pattern="^[A-Za-z0-9_.:-]{1,120}$", description="the caller's own, as it was sent")
]
_UNREADY: dict[int | str, dict[str, Any]] = {503: {"model": Ready, "description": "not now; what is missing"}}


@routes.post("/execute", status_code=202, responses=described(400, 409, 413, 422))
def execute(order: Order, key: Executing, door: At, root: Root) -> OrderStatus:
    """Accept an order. The same jobId again is the order that is there already, as it stands."""
    job = door.orders.execute(order, key.principal, root)
    if not job.status.terminal and job.status == "queued":
        return OrderStatus(job_id=order.job_id, status=OrderState.ACCEPTED, record_id=job.record_id)
    return door.orders.status(order.job_id, key.principal, root)


@routes.get("/execute/{jobId}", responses=described(422))
def status(name: OrderId, key: Executing, door: At, root: Root) -> OrderStatus:
    """Say how an order stands."""
    return door.orders.status(name, key.principal, root)


@routes.delete("/execute/{jobId}", responses=described(409, 422))
def cancel(name: OrderId, key: Executing, door: At, root: Root) -> OrderStatus:
    """Cancel an order; one that has ended stays as it is."""
    job = door.orders.job_of(name, key.principal)
    with suppress(JobConflict):  # it ended before this was heard
        door.queue.cancel(job.job_id, key.principal)
    return door.orders.status(name, key.principal, root)


@routes.get("/health", responses={503: {"model": Fault, "description": "the database does not answer"}})
def health(door: At) -> WorkerHealth:
    """What workers here can do, and whether an engine is loaded; for whoever asks."""
    return door.readiness.health()


@routes.get("/health/live", tags=["operation"])
def live() -> Alive:
    """The process answers: whoever restarts it on silence asks here."""
    return Alive()


@routes.get("/health/ready", tags=["operation"], response_model=Ready, responses=_UNREADY)
def ready(door: At) -> Response:
    """Whether to send requests here."""
    found = door.readiness.ready()
    return JSONResponse(found.model_dump(mode="json"), 200 if found.status == "ok" else 503)


@routes.get(
    "/metrics",
    tags=["operation"],
    response_class=Response,
    responses=described() | {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def figures(key: Measuring, door: At) -> Response:
    """Figures for Prometheus."""
    text = metrics.exposition(door.queue, door.requests, door.readiness)
    return Response(text, media_type=metrics.CONTENT_TYPE)

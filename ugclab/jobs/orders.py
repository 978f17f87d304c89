"""Jobs under the names their callers know them by: the contract's jobId, a run of Runpod's, an Idempotency-Key.

The row of an order appears in the transaction that puts its job in line; the news of the job's end is made here for
each order that has a receiver, in the words of the door it came by.
"""

import hashlib
from typing import Any, Literal

import sqlalchemy as sa

from ugclab.errors import JobConflict
from ugclab.jobs.database import Database
from ugclab.jobs.schema import orders
from ugclab.schema.contract import OrderInput, OrderOutput, OrderStatus
from ugclab.schema.job import JobView
from ugclab.schema.serverless import RunStatus

Door = Literal["execute", "run", "key"]


def output_of(job: JobView, url: str, summary: dict[str, Any] | None) -> OrderOutput | None:
    """What a finished job has made; None without a result."""
    if job.output is None:
        return None
    said = summary or {}
    return OrderOutput(
        video_url=url,
        sha256=job.output.sha256,
        size_bytes=job.output.size_bytes,
        media_type=job.output.media_type,
        cost_usd=job.cost_usd,
        seconds=float(said.get("seconds", 0.0)),
        warnings=job.warnings,
        summary={"engine": job.engine, **said},
    )


def digest_of(given: OrderInput) -> str:
    """Tells one input from another."""
    return hashlib.sha256(given.model_dump_json().encode()).hexdigest()


def insert(
    connection: sa.Connection,
    database: Database,
    *,
    user: str,
    door: Door,
    name: str,
    job_id: str,
    digest: str,
    callback_url: str = "",
    root: str = "",
) -> None:
    """Write down an order. Raises IntegrityError for a name that is taken."""
    values = {"user": user, "door": door, "name": name, "job_id": job_id, "digest": digest, "told": "", "told_at": 0.0}
    connection.execute(
        orders.insert().values(**values, callback_url=callback_url, root=root, created_at=database.now())
    )


def find(connection: sa.Connection, user: str, door: Door, name: str, digest: str = "") -> sa.Row[Any] | None:
    """The order of that name. Raises JobConflict where another `digest` shows that it was for something else."""
    row = connection.execute(
        orders.select().where(orders.c.user == user, orders.c.door == door, orders.c.name == name)
    ).one_or_none()
    if row is not None and digest and row.digest != digest:
        raise JobConflict(
            f"'{name[:40]}' was used for another order already", hint="take another name, or send the same input"
        )
    return row


def of_job(connection: sa.Connection, job_id: str) -> list[sa.Row[Any]]:
    """The orders that a job was put in line for."""
    return list(connection.execute(orders.select().where(orders.c.job_id == job_id)))


def forget(connection: sa.Connection, job_id: str) -> None:
    """Delete a job's orders."""
    connection.execute(orders.delete().where(orders.c.job_id == job_id))


def told(row: sa.Row[Any], job: JobView, token: str, link: str, summary: dict[str, Any] | None) -> str:
    """How a job stands, in the words of the door its order came by, as JSON.

    `link` is the installation's own address of the result; without one it is reached where the order was given.
    """
    url = link or (f"{row.root}/r/{token}" if row.root and token else "")
    output = output_of(job, url, summary)
    if row.door == "run":
        return RunStatus.of(job, output).model_dump_json(exclude_none=True)
    return OrderStatus.of(row.name, job, output).model_dump_json()

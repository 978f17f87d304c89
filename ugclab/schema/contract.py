"""What passes between a caller and a machine that does its jobs, over HTTP or Runpod: the worker contract, version 1.

    POST /execute  {jobId, type, input, callbackUrl}   ->  202 {jobId, status: accepted}
    GET  /execute/{jobId}                              ->  OrderStatus
    DELETE /execute/{jobId}                            ->  OrderStatus, cancelled
    POST callbackUrl                                   <-  OrderStatus, when it changes
    GET  /health                                       ->  WorkerHealth
    POST /v1/uploads  {role, name, size_bytes, sha256} ->  201 UploadLeave: how to bring a file, for `asset:SHA256`

`OrderInput` is the same wherever it comes from: Runpod's `/run`, its serverless event, Make, Airtable, the public API.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from ugclab.errors import ConsentError
from ugclab.schema.base import Frozen
from ugclab.schema.job import (
    Consent,
    FaceTransformInput,
    JobError,
    JobState,
    JobType,
    JobView,
    Name,
    Principal,
    Priority,
    Request,
    SwapOptions,
)
from ugclab.schema.media import Asset

VERSION: Literal["1"] = "1"
ASSET = "asset:"
"""How an input's address begins that names a file which was brought before: `asset:SHA256`."""

_SHORT_NAMES = {"video_url": "source_video_url", "avatar_url": "avatar_image_url"}


def _address(value: str) -> str:
    """An address a service may be given; where it may lead is decided when it is taken in (storage/intake.py)."""
    text = value.strip()
    if not text.startswith(("https://", "http://", "s3://", ASSET)):
        raise ValueError("an address is expected: https://…, s3://… or asset:SHA256 of a file that was brought before")
    return text


Address = Annotated[str, Field(min_length=1, max_length=4000), AfterValidator(_address)]


class OrderPriority(StrEnum):
    """The words for priorities."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def number(self) -> Priority:
        """As the queue has it."""
        return Priority[self.name]


class OrderInput(Frozen):
    """A swap as it is asked for from elsewhere: also by the short names of its files, and wrapped in `input`.

    An empty field is one that was not given: forms and Airtable send those.
    """

    source_video_url: Address = Field(description="the footage; also `video_url`")
    avatar_image_url: Address = Field(description="a photo of the face to put in; also `avatar_url`")
    photo_url: Address | None = Field(None, description="of the face to replace, with options.face.kind `like`")
    plan: str = Field("default", max_length=10_000, description="as `0-5:swap,5-15:keep`, or default, all, faces")
    engine: str = Field("mesh", max_length=64)
    options: SwapOptions = SwapOptions()
    project: Name = "default"
    priority: OrderPriority = OrderPriority.MEDIUM
    record_id: str = Field("", max_length=200, description="the caller's own name for it; comes back in every answer")
    webhook_url: str = Field("", max_length=2000, description="told when the job has ended (Standard Webhooks)")
    consent: str = Field(
        "",
        max_length=240,
        description="who agreed to the use of the face, and when: `NAME, 2026-11-20`; or own-face, or public-domain;"
        " empty where the operator vouches for its callers",
    )
    max_cost_usd: float | None = Field(None, gt=0, description="what is predicted to cost more is refused")

    @model_validator(mode="before")
    @classmethod
    def _unwrapped(cls, data: Any) -> Any:
        if isinstance(data, dict) and set(data) == {"input"}:
            data = data["input"]
        if not isinstance(data, dict):
            return data
        given = {name: value for name, value in data.items() if value not in (None, "")}
        for short, name in _SHORT_NAMES.items():
            if short in given:
                if given.setdefault(name, given[short]) != given[short]:
                    raise ValueError(f"{short} and {name} name two different files")
                del given[short]
        return given

    @property
    def files(self) -> dict[str, str]:
        """What is given of each input, by its role."""
        given = {"source": self.source_video_url, "avatar": self.avatar_image_url, "photo": self.photo_url}
        return {role: address for role, address in given.items() if address is not None}

    def request(self, principal: Principal, files: Mapping[str, Asset | str], vouched: str = "") -> Request:
        """The order as the queue takes it, with `files` in place of what was given of them.

        `vouched` is the consent of callers of trust "service" who name none. Raises ConsentError.
        """
        words = self.consent.strip() or (vouched.strip() if principal.trust == "service" else "")
        if not words:
            raise ConsentError(
                "nobody is named who agreed to the use of the face",
                hint='send consent: "NAME, 2026-11-20", or own-face, or public-domain',
            )
        face = self.options.face.model_copy(update={"photo": ""})  # a photo comes as an input, never as a path
        return Request(
            input=FaceTransformInput(**files, plan=self.plan),
            principal=principal,
            project=self.project,
            engine=self.engine,
            options=self.options.model_copy(update={"face": face}),
            priority=self.priority.number,
            record_id=self.record_id,
            webhook_url=self.webhook_url,
            consent=Consent.parse(words),
            max_cost_usd=self.max_cost_usd,
        )


class _Wire(Frozen):
    """Documents of the contract: camelCase outside, our names inside, either understood."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, serialize_by_alias=True)


class Order(_Wire):
    """The body of POST /execute. The same `job_id` of the same caller again is the order that is there already."""

    version: Literal["1"] = VERSION
    job_id: str = Field(pattern=r"^[A-Za-z0-9_.:-]{1,120}$", description="the caller's own, unique among its orders")
    type: JobType = JobType.FACE_TRANSFORM
    input: OrderInput
    callback_url: str = Field("", max_length=2000, description="is sent an OrderStatus whenever it changes")


class OrderState(StrEnum):
    """The contract's words for where a job stands."""

    ACCEPTED = "accepted"
    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"

    @classmethod
    def of(cls, state: JobState) -> "OrderState":
        """The contract's word for a job's state: a cancelled one has failed, with the code `cancelled`."""
        return {
            JobState.QUEUED: cls.QUEUED,
            JobState.RUNNING: cls.PROCESSING,
            JobState.SUCCEEDED: cls.COMPLETED,
        }.get(state, cls.FAILED)


class OrderOutput(_Wire):
    """What a finished order has made."""

    video_url: str = Field("", description="where it can be fetched; empty where the worker has no address of its own")
    sha256: str
    size_bytes: int
    media_type: str
    cost_usd: float = Field(description="of this machine, for this order")
    seconds: float = Field(description="wall, of all stages")
    warnings: tuple[str, ...] = ()
    summary: dict[str, Any] = Field({}, description="of the report: engine, versions, segments, exact frames")


class OrderStatus(_Wire):
    """Where an order stands."""

    version: Literal["1"] = VERSION
    job_id: str = Field(description="the caller's")
    status: OrderState
    progress: float = Field(0.0, ge=0, le=100, description="per cent")
    stage: str = ""
    record_id: str = ""
    output: OrderOutput | None = None
    error: JobError | None = None

    @classmethod
    def of(cls, job_id: str, view: JobView, output: OrderOutput | None = None) -> "OrderStatus":
        """A job of the queue, told to the caller who knows it as `job_id`."""
        error = view.error
        if view.status is JobState.CANCELLED and error is None:
            error = JobError(code="cancelled", message="the job was cancelled", hint="send it again, or retry it")
        return cls(
            job_id=job_id,
            status=OrderState.of(view.status),
            progress=100.0 if view.status is JobState.SUCCEEDED else view.progress.percent,
            stage="" if view.status.terminal else view.progress.stage,
            record_id=view.record_id,
            output=output,
            error=error,
        )


Role = Literal["source", "avatar", "photo"]


class UploadWanted(Frozen):
    """A file that somebody wants to bring."""

    role: Role = Field("source", description="footage, a face to put in, or a photo of the face to replace")
    name: str = Field("", max_length=200, description="what a person calls it")
    size_bytes: int = Field(ge=1, le=1 << 50)
    sha256: str = Field("", pattern="^([0-9a-f]{64})?$", description="where it is known: what is here need not be sent")
    project: Name = "default"


class UploadLeave(Frozen):
    """How to bring it: `method` its bytes to `url` with `headers`; then, where `complete` is given, POST there.

    The last answer has the file's `asset`. With `asset` here it has been brought before, and there is nothing to send.
    """

    asset: str = ""
    upload_id: str = ""
    method: Literal["PUT"] = "PUT"
    url: str = ""
    headers: dict[str, str] = Field({}, description="to send with it")
    complete: str = Field("", description="address to POST to when all is there; empty: the answer to PUT is the file")
    expires_s: int = 0


class WorkerHealth(Frozen):
    """What GET /health tells; the first three names are the contract's own."""

    status: Literal["ok", "draining", "unready"]
    gpu_available: bool
    model_loaded: bool = Field(description="an engine is set up in a living worker: the next job starts warm")
    contract: Literal["1"] = VERSION
    version: str = Field(description="of ugclab")
    engines: tuple[str, ...] = Field((), description="that can run here")
    workers: int = Field(0, ge=0, description="that give signs of life")
    waiting: int = Field(0, ge=0, description="jobs in line")

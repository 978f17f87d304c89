"""What a person can do before a job runs: bring footage and a face, see what a run would do and cost, submit it.

Plain functions of a principal; routes.py and endpoints.py put them on the wire. What a browser is told names inputs by
their hash, never by a place in the store.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from ugclab import sample
from ugclab.engines import registry
from ugclab.entrypoints.web.estimating import estimated
from ugclab.errors import ConsentError, InputError
from ugclab.jobs.queue import Queue
from ugclab.schema.base import Frozen, first_fault
from ugclab.schema.job import (
    Consent,
    EyewearMode,
    FaceSelector,
    FaceTransformInput,
    JobView,
    Principal,
    ReplaceMode,
    Request,
    SwapOptions,
)
from ugclab.schema.media import Asset
from ugclab.schema.plan import FITTED, SegmentPlan
from ugclab.storage.store import file_sha256

PROJECT = "page"
Role = Literal["source", "avatar", "photo"]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Draft(Frozen):
    """A job that is being put together."""

    source: Sha256
    avatar: Sha256
    plan: str = Field("default", max_length=10_000)
    engine: str = Field("mesh", max_length=64)
    face: str = Field("largest", max_length=32)
    eyewear: EyewearMode = EyewearMode.KEEP
    replace: ReplaceMode = ReplaceMode.HEAD
    watermark: str = Field("", max_length=80)

    def options(self) -> SwapOptions:
        """What changes the result. Raises InputError."""
        return SwapOptions(
            face=chosen_face(self.face), eyewear=self.eyewear, replace=self.replace, watermark=self.watermark
        )


class Desk:
    """The page's work table, over the queue."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue

    # inputs

    def take(self, principal: Principal, path: Path, role: Role) -> dict[str, Any]:
        """Check a file and keep it; raises InputError and its kin for what is no footage or picture."""
        self.queue.inputs.check(principal.user)
        try:
            asset = self.queue.take_in(principal, PROJECT, path, role)
        except InputError as error:  # which names the file by its place on this machine
            raise type(error)(error.message.replace(str(path), path.name), hint=error.hint) from error
        self.queue.inputs.keep(principal.user, PROJECT, asset)
        return shown_input(asset)

    def take_sample(self, principal: Principal) -> dict[str, Any]:
        """The sample footage and face, as if they had been brought."""
        return {
            "source": self.take(principal, sample.CLIP, "source"),
            "avatar": self.take(principal, sample.AVATAR, "avatar"),
        }

    def input(self, principal: Principal, sha256: str) -> Asset:
        """What somebody brought, by its hash. Raises JobNotFound."""
        return self.queue.inputs.find(principal.user, PROJECT, sha256)

    # what a run would do

    def estimate(self, principal: Principal, draft: Draft) -> dict[str, Any]:
        """Seconds and dollars, by segment and in all; `seconds` is None for an engine that nobody has modelled."""
        source = self.input(principal, draft.source)
        return estimated(source, draft.plan, draft.engine, self.queue.settings).model_dump(mode="json")

    def engines(self) -> list[dict[str, Any]]:
        """The catalogue, what can run here first: what each replaces, needs and is licensed under, and what to type."""
        return [
            engine.info.model_dump(mode="json") | {"availability": state.model_dump(mode="json")}
            for engine, state in registry.offered(self.queue.settings)
        ]

    # in

    def submit(self, principal: Principal, draft: Draft, *, agreed: bool, name: str = "") -> JobView:
        """Put the job in line. Raises ConsentError unless the face may be used, and what `Queue.submit` raises."""
        if not agreed:
            raise ConsentError("nobody has said that this face may be used", hint="tick the box beside the button")
        request = self.request(principal, draft, name=name)
        registry.require(registry.find(draft.engine), self.queue.settings)
        return self.queue.submit(request)

    def request(self, principal: Principal, draft: Draft, *, name: str = "") -> Request:
        """The draft as the queue takes it."""
        source, avatar = self.input(principal, draft.source), self.input(principal, draft.avatar)
        if avatar.sha256 == file_sha256(sample.AVATAR):
            consent = Consent(kind="public-domain")
        else:
            said = f"said so on the page: {name or principal.user}"
            consent = Consent(kind="agreed", agreed_by=said, agreed_at=datetime.now(UTC).date().isoformat())
        return Request(
            input=FaceTransformInput(source=source, avatar=avatar, plan=draft.plan),
            principal=principal,
            project=PROJECT,
            engine=draft.engine,
            options=draft.options(),
            consent=consent,
        )


def chosen_face(text: str) -> FaceSelector:
    """Which face; one that looks like a photo is chosen by its place here. Raises InputError."""
    face = FaceSelector.parse(text)
    if face.kind == "like":
        raise InputError("the page chooses a face by its place", hint="use largest, left, right, all or index:N")
    return face


def shown_input(asset: Asset) -> dict[str, Any]:
    """An input as a browser sees it."""
    info = asset.info
    shown: dict[str, Any] = {
        "id": asset.sha256,
        "name": asset.name,
        "size_bytes": asset.size_bytes,
        "media_type": asset.media_type,
        "url": f"/desk/input/{asset.sha256}",
    }
    if info:
        rate = info.frame_rate
        shown |= {
            "width": info.width,
            "height": info.height,
            "frames": info.frames,
            "rate": [rate.numerator, rate.denominator],
            "duration": float(info.duration),
            "codec": info.video_codec,
            "hdr": info.colour.hdr,
            "rotation": info.rotation,
            "has_audio": info.has_audio,
            "left_out": list(info.left_out),
            "plan": str(SegmentPlan.parse(FITTED, info.duration, info.frame_rate)),
        }
    return shown


def read_draft(document: Mapping[str, Any]) -> Draft:
    """Read what a browser sent. Raises InputError with the first fault."""
    try:
        return Draft.model_validate(document)
    except ValidationError as error:
        place, fault = first_fault(error)
        raise InputError(
            f"{place or 'the draft'}: {fault}", hint="bring a video and a photo, then try again"
        ) from error

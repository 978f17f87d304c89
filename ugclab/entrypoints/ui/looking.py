"""Looks of the page: what a browser asks to see before a job runs, and the answers in its words."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from pydantic import Field, ValidationError

from ugclab.engines import registry
from ugclab.entrypoints.ui.desk import PROJECT, Desk, Sha256, chosen_face
from ugclab.errors import Cancelled, InputError
from ugclab.schema.base import Frozen, Rational, first_fault
from ugclab.schema.job import EyewearMode, Principal, ReplaceMode, SwapOptions
from ugclab.schema.look import FacesLook, FacesSeen, FrameLook, FrameSeen, Look, Seen, StripLook, StripSeen
from ugclab.storage import paths


class Asked(Frozen):
    """What a browser sends."""

    kind: str = Field(pattern="^(frame|strip|faces)$")
    page: str = Field("", max_length=64, description="a newer look of the same page and kind takes its place")
    source: Sha256
    avatar: Sha256 | None = None
    at: Rational = Fraction(0)
    plan: str = Field("faces", max_length=10_000)
    engine: str = Field("mesh", max_length=64)
    face: str = Field("largest", max_length=32)
    eyewear: EyewearMode = EyewearMode.KEEP
    replace: ReplaceMode = ReplaceMode.HEAD


class Looking:
    """Asks the interactive lane for a browser, and puts its answers into a browser's words."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def ask(self, principal: Principal, document: Mapping[str, Any]) -> dict[str, Any]:
        """Put a look in line. Raises InputError, JobNotFound for an input that is gone, QueueUnavailable."""
        try:
            asked = Asked.model_validate(document)
        except ValidationError as error:
            place, fault = first_fault(error)
            raise InputError(f"{place or 'the look'}: {fault}", hint="reload the page") from error
        look_id = self._desk.queue.look(principal, self._look(principal, asked))
        kind, _, rest = look_id.partition("/")
        return {"id": f"{kind}/{rest.removeprefix(self._own(kind, principal))}"}

    def _own(self, kind: str, principal: Principal) -> str:
        """What all ids of somebody begin with, after their kind: nothing that a browser has to know."""
        return paths.project_prefix(principal.user, PROJECT) if kind == "seen" else f"{principal.user}/{PROJECT}/"

    def _look(self, principal: Principal, asked: Asked) -> Look:
        source = self._desk.input(principal, asked.source)
        about: dict[str, Any] = {"user": principal.user, "project": PROJECT, "page": asked.page, "source": source}
        if asked.kind == "strip":
            return StripLook(**about)
        options = SwapOptions(face=chosen_face(asked.face), eyewear=asked.eyewear, replace=asked.replace)
        avatar = self._desk.input(principal, asked.avatar) if asked.avatar else None
        about |= {"plan": asked.plan, "engine": asked.engine, "options": options}
        if asked.kind == "faces":
            return FacesLook(**about, avatar=avatar)
        if avatar is None:
            raise InputError("there is no face to put in yet", hint="bring a photo")
        if registry.find(asked.engine).info.replaces != "face":
            raise InputError(f"{asked.engine} makes whole clips: no single frame", hint="submit a short segment first")
        return FrameLook(**about, avatar=avatar, at=asked.at)

    def answer(self, principal: Principal, look_id: str) -> dict[str, Any] | None:
        """What came of it; None while it is not done. Raises what went wrong."""
        kind, _, rest = look_id.partition("/")
        try:
            found = self._desk.queue.looks.answer(f"{kind}/{self._own(kind, principal)}{rest}", principal)
        except Cancelled:
            return {"superseded": True}
        return None if found is None else self._shown(principal, found)

    def _shown(self, principal: Principal, found: Seen) -> dict[str, Any]:
        """With pictures as addresses, and times as seconds."""
        folder = paths.folder(principal.user, PROJECT, "thumbnails")

        def address(key: str) -> str:
            return f"/desk/picture/{key.removeprefix(folder + '/')}"

        shown = found.model_dump(mode="json")
        match found:
            case FrameSeen():
                shown |= {"before": address(found.before), "after": address(found.after), "time": float(found.time)}
            case StripSeen():
                shown |= {"url": address(found.picture), "times": [float(t) for t in found.times]}
                shown.pop("picture")
            case FacesSeen():
                shown["people"] = [p.model_dump() | {"picture": address(p.picture)} for p in found.people]
                shown["ranges"] = [[float(r.start), float(r.end)] for r in found.ranges]
                shown.pop("looked_at")
        return shown

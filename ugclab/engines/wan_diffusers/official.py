"""Streams from the official preprocessing, where a checkout of it is set: a whole skeleton, and whole persons.

It takes as long as a few sampling steps, so what it made is kept with the analysis: a job that is tried again after a
fault goes on from there. Another seed or setting is another analysis, and preprocesses again.
"""

import hashlib
import json
import shutil
from pathlib import Path

import cv2
import numpy as np

from ugclab.engines.base import Image, SegmentContext
from ugclab.engines.clips.crop import Crop
from ugclab.engines.clips.files import read_canvases, write_canvases
from ugclab.engines.clips.looking import canvases
from ugclab.engines.clips.reference import framed
from ugclab.engines.clips.timing import Sampling
from ugclab.engines.wan_cli.commands import BACKGROUND, MASK, RATE, Files, preprocess
from ugclab.engines.wan_cli.place import Place
from ugclab.engines.wan_diffusers.conditioning import FACE_PX, Streams
from ugclab.errors import EngineError
from ugclab.media.images import encode_png
from ugclab.schema.job import ReplaceMode

POSE, FACE = "src_pose.mp4", "src_face.mp4"
KEPT = "official"
"""Folder of the analysis they are kept in."""


def official(place: Place, segment: SegmentContext, sampling: Sampling, crop: Crop, own: Streams) -> Streams:
    """Our `own` streams with pose and face of the preprocessing, and its background and mask to replace a person.

    Raises FaceNotFound, EngineError, Cancelled, as the preprocessing ends.
    """
    folder = segment.analysis.folder / KEPT / _key(segment, sampling, crop)
    if not folder.is_dir():
        _make(place, segment, sampling, crop, folder)
    side = own.face[0].shape[0]
    pose = _read(folder / POSE, crop.canvas, sampling)
    face = [_sized(picture, side) for picture in _read(folder / FACE, (FACE_PX, FACE_PX), sampling)]
    if segment.options.replace is ReplaceMode.HEAD:
        return Streams(pose, face, own.background, own.mask)
    mask = [np.where(m[..., 0] > 127, 255, 0).astype(np.uint8) for m in _read(folder / MASK, crop.canvas, sampling)]
    return Streams(pose, face, _read(folder / BACKGROUND, crop.canvas, sampling), mask)


def _make(place: Place, segment: SegmentContext, sampling: Sampling, crop: Crop, folder: Path) -> None:
    files = Files(segment.workspace)
    write_canvases(files.video, canvases(segment, sampling.times, crop.see), crop.canvas, RATE)
    files.avatar.write_bytes(encode_png(framed(segment.avatar, crop.canvas)))
    preprocess(place, files, crop.canvas, sampling, segment.monitor)
    missing = [name for name in (POSE, FACE, BACKGROUND, MASK) if not (files.streams / name).is_file()]
    if missing:
        raise EngineError(
            f"preprocess_data.py ended with exit code 0 and wrote no {missing[0]}",
            hint=f"its log:\n{files.log('preprocess').read_text(errors='replace')[-600:]}",
        )
    folder.parent.mkdir(exist_ok=True)
    part = folder.with_name(f"{folder.name}.{segment.workspace.name}")
    shutil.move(files.streams, part)  # from another disk, perhaps; whole only by the rename
    try:
        part.rename(folder)
    except OSError:  # somebody was faster, with the same
        shutil.rmtree(part, ignore_errors=True)


def _key(segment: SegmentContext, sampling: Sampling, crop: Crop) -> str:
    """Of what decides the streams; source and engine decide the analysis they lie with."""
    window = [crop.left, crop.top, crop.width, crop.height, *crop.canvas]
    told = json.dumps([[str(time) for time in sampling.times], [repr(v) for v in window], segment.options.tone_map])
    return hashlib.sha256(told.encode()).hexdigest()[:24]


def _read(path: Path, size: tuple[int, int], sampling: Sampling) -> list[Image]:
    pictures = list(read_canvases(path, size))
    if len(pictures) != len(sampling.times):
        raise EngineError(f"{path.name} holds {len(pictures)} frames, {len(sampling.times)} were preprocessed (T30)")
    return pictures


def _sized(picture: Image, side: int) -> Image:
    resized = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(resized, np.uint8)

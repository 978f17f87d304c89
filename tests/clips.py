"""Clips whose pictures carry their number, so that a wrong, missing or doubled frame is seen, even after lossy coding.

The number is written twice into the luma as 12 blocks of black and white in the top half, the second time inverted; a
drifting ramp and a moving square give the encoder something to predict. Left and right, top and bottom differ.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

BITS = 12
_LIMITS = {8: (16, 235), 10: (64, 940)}


@dataclass(frozen=True, slots=True)
class Sound:
    """One audio track: a tone that clicks once a second."""

    codec: str = "aac"
    layout: str = "stereo"
    rate: int = 48_000
    language: str = ""


def number_picture(
    number: int, width: int, height: int, *, pixel_format: str = "yuv420p", noise: int = 0
) -> av.VideoFrame:
    """A picture that carries `number` (0 … 4095), in a planar YUV format of 8 or 10 bits."""
    depth = 10 if "10" in pixel_format else 8
    low, high = _LIMITS[depth]
    rows, columns = np.mgrid[0:height, 0:width]
    luma = (low + (columns * 2 + rows + number * 3) % (high - low)).astype(np.int64)
    block, half = max(1, width // BITS), max(1, height // 4)
    for bit in range(BITS):
        on = bool(number >> bit & 1)
        luma[:half, bit * block : (bit + 1) * block] = high if on else low
        luma[half : 2 * half, bit * block : (bit + 1) * block] = low if on else high
    x = (number * 5) % max(1, width - width // 6)
    luma[3 * height // 4 :, x : x + width // 6] = high
    if noise:
        luma += np.random.default_rng(number).integers(-noise, noise + 1, luma.shape)
    picture = av.VideoFrame(width, height, pixel_format)
    dtype = np.uint16 if depth == 10 else np.uint8
    for index, plane in enumerate(picture.planes):
        view = np.frombuffer(plane, dtype).reshape(-1, plane.line_size // np.dtype(dtype).itemsize)
        if index == 0:
            view[:height, :width] = np.clip(luma, 0, (1 << depth) - 1)
        else:
            ramp = np.arange(plane.width) * 40 // max(1, plane.width)
            middle = 1 << (depth - 1)
            view[: plane.height, : plane.width] = middle + (ramp - 20 if index == 1 else 20 - ramp) * (1 << (depth - 8))
    return picture


def read_number(luma: Any, *, depth: int = 8) -> int:
    """The number an upright luma plane of shape (height, width) carries; ValueError if it is not legible."""
    height, width = luma.shape
    block, half = max(1, width // BITS), max(1, height // 4)
    low, high = _LIMITS[depth]
    middle, number = (low + high) / 2, 0
    for bit in range(BITS):
        left, right = bit * block + block // 4, (bit + 1) * block - block // 4
        first = float(luma[half // 4 : half - half // 4, left:right].mean())
        second = float(luma[half + half // 4 : 2 * half - half // 4, left:right].mean())
        if (first > middle) == (second > middle):
            raise ValueError(f"bit {bit} is not legible: {first:.0f} and {second:.0f}")
        number |= (first > middle) << bit
    return number


def make_clip(
    path: Path,
    *,
    frames: int = 60,
    rate: Fraction | int = 30,
    size: tuple[int, int] = (192, 108),
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    options: dict[str, str] | None = None,
    x264: str = "",
    gop: int = 30,
    b_frames: int = 2,
    open_gop: bool = False,
    times: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    rotation: int = 0,
    aspect: Fraction = Fraction(1),
    sounds: Sequence[Sound] = (Sound(),),
    sound_start: Fraction = Fraction(0),
    colour: tuple[int, int, int] | None = (1, 1, 1),
    full_range: bool = False,
    interlaced: bool = False,
    noise: int = 0,
    first_number: int = 0,
    muxer: dict[str, str] | None = None,
) -> Path:
    """Write a clip; the container follows the file's suffix.

    `size` is that of the coded picture; `rotation` the clockwise turn its tag asks for, and the pictures are drawn so
    that they are upright after it. `times` are timestamps in `time_base` (default: one a frame, at `rate`), which make
    the rate vary. `colour` is primaries, transfer and matrix as ITU-T H.273 numbers. `sound_start` delays the sound.
    """
    rate = Fraction(rate)
    time_base = time_base or 1 / rate
    times = times if times is not None else [round(i / rate / time_base) for i in range(frames)]
    with av.open(
        str(path),
        "w",
        container_options={"video_track_timescale": str(time_base.denominator)} | (muxer or {})
        if path.suffix in (".mp4", ".mov")
        else (muxer or {}),
    ) as out:
        stream = out.add_stream(codec, rate=rate)
        context = stream.codec_context
        context.width, context.height = size
        context.pix_fmt, context.time_base, context.framerate = pixel_format, time_base, rate
        stream.time_base = time_base
        context.sample_aspect_ratio = aspect
        context.gop_size, context.max_b_frames = gop, b_frames
        if colour is not None:
            context.color_primaries, context.color_trc, context.colorspace = colour
            context.color_range = 2 if full_range else 1
        context.options = _codec_options(codec, gop, b_frames, open_gop, x264, interlaced) | (options or {})
        context.thread_count = 1
        if rotation:
            stream.set_display_rotation(-rotation)
        tracks = [_add_sound(out, sound) for sound in sounds]
        length = frames / rate if times is None else times[-1] * time_base + 1 / rate
        for number, time in enumerate(times[:frames]):
            picture = _drawn(number + first_number, size, pixel_format, rotation, noise)
            picture.pts, picture.time_base = time, time_base
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
        for sound, track in zip(sounds, tracks, strict=True):
            for packet in _tone(track, sound, length, sound_start):
                out.mux(packet)
    return path


def _codec_options(codec: str, gop: int, b_frames: int, open_gop: bool, x264: str, interlaced: bool) -> dict[str, str]:
    if codec == "libx264":
        parts = [
            f"keyint={gop}",
            f"min-keyint={min(gop, 10)}",
            "scenecut=0",
            f"bframes={b_frames}",
            f"open-gop={int(open_gop)}",
            *(["tff=1"] if interlaced else []),
            *([x264] if x264 else []),
        ]
        return {"preset": "veryfast", "crf": "23", "x264-params": ":".join(parts)}
    if codec == "libx265":
        parts = [f"keyint={gop}", f"bframes={b_frames}", f"open-gop={int(open_gop)}", "log-level=none", "pools=1"]
        return {"preset": "ultrafast", "crf": "23", "x265-params": ":".join(parts)}
    if codec == "libvpx-vp9":
        return {"deadline": "realtime", "cpu-used": "8", "crf": "30", "b": "0"}
    return {}


def _drawn(number: int, size: tuple[int, int], pixel_format: str, rotation: int, noise: int) -> av.VideoFrame:
    """The picture as it is coded: drawn upright, then turned against the tag."""
    width, height = size
    if not rotation:
        return number_picture(number, width, height, pixel_format=pixel_format, noise=noise)
    upright = (width, height) if rotation % 180 == 0 else (height, width)
    source = number_picture(number, *upright, pixel_format=pixel_format, noise=noise)
    picture = av.VideoFrame(width, height, pixel_format)
    dtype = np.uint16 if "10" in pixel_format else np.uint8
    for old, new in zip(source.planes, picture.planes, strict=True):
        item = np.dtype(dtype).itemsize
        from_view = np.frombuffer(old, dtype).reshape(-1, old.line_size // item)[: old.height, : old.width]
        to_view = np.frombuffer(new, dtype).reshape(-1, new.line_size // item)[: new.height, : new.width]
        to_view[:] = np.rot90(from_view, k=rotation // 90)  # numpy turns counter-clockwise: the tag undoes it
    return picture


def _add_sound(out: Any, sound: Sound) -> Any:
    track = out.add_stream(sound.codec, rate=sound.rate)
    track.codec_context.layout = sound.layout
    if sound.language:
        track.metadata["language"] = sound.language
    if sound.codec in ("opus", "vorbis"):
        track.codec_context.options = {"strict": "experimental"}
    return track


def _tone(track: Any, sound: Sound, length: Fraction, start: Fraction) -> Iterable[Any]:
    """A quiet tone with a click at every whole second, encoded."""
    total = int(length * sound.rate)
    instant = np.arange(total) / sound.rate
    signal = 0.1 * np.sin(2 * np.pi * 440 * instant)
    signal[(instant % 1) < 0.01] += 0.6
    context = track.codec_context
    context.open(strict=False)
    block = context.frame_size or 1024
    name = context.format.name
    channels = context.channels
    for offset in range(0, total, block):
        mono = signal[offset : offset + block]
        if name.startswith("s"):
            full, dtype = (32_767, np.int16) if name.startswith("s16") else (2_147_483_647, np.int32)
            data = np.tile((mono * full).astype(dtype), (channels, 1))
        else:
            data = np.tile(mono.astype(np.float32), (channels, 1))
        if not name.endswith("p"):
            data = data.T.reshape(1, -1).copy()
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(data), format=name, layout=sound.layout)
        frame.sample_rate = sound.rate
        frame.pts = offset + int(start * sound.rate)
        frame.time_base = Fraction(1, sound.rate)
        yield from track.encode(frame)
    yield from track.encode(None)

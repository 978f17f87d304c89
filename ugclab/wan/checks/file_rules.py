"""Rules about the files a command reads and writes. What is not there is no finding, unless the command runs here."""

from collections.abc import Iterator
from pathlib import Path

from ugclab.wan.arithmetic import clips, effective_size, sampled_frames, tokens
from ugclab.wan.checks.preprocess_rules import PIPELINE, resolution_area
from ugclab.wan.checks.trap import Command, Surroundings, trap
from ugclab.wan.mp4 import VideoTrack, read_video_track
from ugclab.wan.pictures import READ_BY_OPENCV, read_picture
from ugclab.wan.problems import Finding, Severity, Stage

FITTING = (1, 2, 4, 5, 8, 10, 20, 40)
"""GPU counts that divide the 40 heads."""
STREAMS = ("src_pose.mp4", "src_face.mp4", "src_bg.mp4", "src_mask.mp4")


def _source(command: Command, around: Surroundings) -> VideoTrack | None:
    path = command.path("video_path", around.base) if command.preprocesses else None
    return read_video_track(path) if path else None


def _streams(command: Command, around: Surroundings) -> dict[str, VideoTrack]:
    folder = command.path("src_root_path", around.base) if command.animates else None
    if folder is None or not folder.is_dir():
        return {}
    tracks = {name: read_video_track(folder / name) for name in STREAMS}
    return {name: track for name, track in tracks.items() if track is not None}


@trap("T5", Severity.WARNING, source="generate.py:554", stage=Stage.RESULT)
def source_rate(command: Command, around: Surroundings) -> Iterator[Finding]:
    """`--fps -1` keeps the source's rate, and the result is still written at 30 fps."""
    track = _source(command, around)
    if not command.preprocesses or command.value("fps") != -1:
        return
    if track is None:
        yield Finding(
            what="--fps -1 is right only for a source of 30 fps: the result is written at 30",
            fix="--fps 30",
            flag="--fps",
        )
    elif track.rate != 30:
        what = f"the source has {float(track.rate):.3f} fps: {track.duration_s:.2f} s become {track.frames / 30:.2f} s"
        yield Finding(what=what, fix="--fps 30", flag="--fps")


@trap("T7", Severity.ERROR, source="wan/animate.py:386-391", stage=Stage.RESULT)
def replacement_as_animation(command: Command, around: Surroundings) -> Iterator[Finding]:
    """A folder preprocessed for replacement, generated without `--replace_flag`: silently animation."""
    folder = command.path("src_root_path", around.base) if command.animates else None
    if folder and command.off("replace_flag") and all((folder / name).is_file() for name in STREAMS):
        yield Finding(
            what="the folder was preprocessed for replacement: without --replace_flag the background is invented",
            fix="--replace_flag",
            flag="--replace_flag",
        )


@trap("T8", Severity.ERROR, source="wan/animate.py:387-389", stage=Stage.LOAD)
def animation_as_replacement(command: Command, around: Surroundings) -> Iterator[Finding]:
    """A folder preprocessed for animation, generated with `--replace_flag`: src_bg.mp4 is missing after the load."""
    folder = command.path("src_root_path", around.base) if command.animates else None
    if not folder or not command.on("replace_flag") or not (folder / "src_pose.mp4").is_file():
        return
    missing = [name for name in ("src_bg.mp4", "src_mask.mp4") if not (folder / name).is_file()]
    if missing:
        yield Finding(
            what=f"{' and '.join(missing)} not in the folder: reading fails after the load",
            fix="preprocess again with --replace_flag",
            flag="--replace_flag",
        )


@trap("T10", Severity.ERROR, source="wan/utils/utils.py:102-120 (executed)", stage=Stage.RESULT)
def missing_output_folder(command: Command, around: Surroundings) -> Iterator[Finding]:
    """`--save_file` in a folder that does not exist: exit code 0, no file."""
    path = command.path("save_file", around.base) if command.generates else None
    if path and not path.parent.is_dir() and (around.here or path.parent.parent.is_dir()):
        yield Finding(
            what=f"the folder {path.parent} does not exist: the run ends with exit code 0 and no video",
            fix=f"mkdir -p {path.parent}",
            flag="--save_file",
        )


@trap("T12", Severity.ERROR, source="preprocess/utils.py:29-36 (executed)", stage=Stage.PREPROCESS)
def more_cells_than_pixels(command: Command, around: Surroundings) -> Iterator[Finding]:
    """`--w_len` above the width of the person's box (or `--h_len` above its height) is a range() of step 0."""
    track, area = _source(command, around), resolution_area(command)
    if track is None or area is None or not command.on("replace_flag"):
        return
    size = effective_size(track.width, track.height, area)
    for name, most in (("w_len", size.width), ("h_len", size.height)):
        value = command.value(name)
        if isinstance(value, int) and value > most:
            yield Finding(
                what=f"--{name} {value}: not even the whole picture has so many pixels ({most})",
                fix=f"--{name} 10",
                flag=f"--{name}",
            )


@trap("T21", Severity.ERROR, source="wan/modules/animate/face_blocks.py:364; wan/animate.py:477", stage=Stage.LOAD)
def tokens_divide(command: Command, around: Surroundings) -> Iterator[Finding]:
    """With Ulysses the clip's tokens have to divide by the GPU count, else the face blocks cannot be rearranged."""
    track = _streams(command, around).get("src_pose.mp4")
    if track is not None:
        yield from undivided(command, track.width, track.height)


def undivided(command: Command, width: int, height: int) -> Iterator[Finding]:
    """What T21 says of a size: face_blocks.py:364 rearranges all tokens by latent frame, padding among them."""
    gpus, length = command.value("ulysses_size"), command.value("frame_num")
    if not isinstance(gpus, int) or gpus < 2 or not isinstance(length, int) or length < 5 or length % 4 != 1:
        return
    count = tokens(width, height, length)
    if count % gpus:
        yield Finding(
            what=f"{count} tokens at {width}x{height} do not divide by {gpus} GPUs: it fails after the load",
            fix=f"another --resolution_area, or {max(n for n in FITTING if n < gpus and count % n == 0)} GPUs",
            flag="--ulysses_size",
        )


@trap("T30", Severity.WARNING, source=f"{PIPELINE}:113-124; wan/animate.py:383-391", stage=Stage.RESULT)
def stale_files(command: Command, around: Surroundings) -> Iterator[Finding]:
    """A reused folder keeps what the new run does not write; each stream is padded alone, so they drift apart."""
    folder = command.path("save_path", around.base) if command.preprocesses else None
    old = [name for name in STREAMS if folder and (folder / name).exists()]
    if old:
        yield Finding(
            what=f"{folder} already holds {', '.join(old)}: a stopped or shorter run mixes two sources silently",
            fix="preprocess into an empty folder",
            flag="--save_path",
        )
    tracks = _streams(command, around)
    if not command.on("replace_flag"):
        tracks = {name: track for name, track in tracks.items() if name in STREAMS[:2]}
    frames = {name: track.frames for name, track in tracks.items()}
    if len(set(frames.values())) > 1:
        lengths = ", ".join(f"{name} {count}" for name, count in frames.items())
        yield Finding(
            what=f"the streams differ in length ({lengths} frames): each is filled up alone, so they drift apart",
            fix="preprocess again into an empty folder",
            flag="--src_root_path",
        )
    sizes = {(track.width, track.height) for name, track in tracks.items() if name != "src_face.mp4"}
    if len(sizes) > 1:
        yield Finding(
            what="src_pose, src_bg and src_mask differ in size: their latents cannot be joined",
            fix="preprocess again into an empty folder",
            flag="--src_root_path",
            severity=Severity.ERROR,
            stage=Stage.LOAD,
        )


@trap("T31", Severity.ERROR, source=f"{PIPELINE}:83-88 and :128-133", stage=Stage.PREPROCESS)
def unreadable_reference(command: Command, around: Surroundings) -> Iterator[Finding]:
    """A reference OpenCV cannot read (HEIC) fails after the pose pass; another aspect gets black bars."""
    path = command.path("refer_path", around.base) if command.preprocesses else None
    picture = read_picture(path) if path and path.is_file() else None
    if picture is None and path is not None and path.suffix.lower() in {".heic", ".heif"}:
        yield Finding(what=f"OpenCV reads no {path.suffix}", fix="convert it to PNG or JPEG", flag="--refer_path")
    if picture is None:
        return
    if picture.format not in READ_BY_OPENCV:
        newer = picture.format in {"avif", "gif"}
        yield Finding(
            what=f"{path.name if path else ''} is {picture.format}, which "
            + (
                "only newer builds of OpenCV read" if newer else "OpenCV does not read: a TypeError after the pose pass"
            ),
            fix="convert it to PNG or JPEG",
            flag="--refer_path",
            severity=Severity.WARNING if newer else None,
        )
        return
    track, area = _source(command, around), resolution_area(command)
    if track and area and picture.width and picture.height and command.on("replace_flag"):
        size = effective_size(track.width, track.height, area)
        share = (picture.width / picture.height) / (size.width / size.height) if size.height and size.width else 1
        if not 0.95 < share < 1.05:
            yield Finding(
                what=f"the reference's aspect is not the video's {size.width}x{size.height}: it gets black bars",
                fix="crop or extend the reference to the video's aspect",
                flag="--refer_path",
                severity=Severity.NOTE,
                stage=Stage.RESULT,
            )


@trap("T33", Severity.ERROR, source="wan/animate.py:201-223 and :397-399 (executed)", stage=Stage.LOAD)
def too_few_frames(command: Command, around: Surroundings) -> Iterator[Finding]:
    """A source of one frame fails; so does any that has no more frames than `--refert_num`: no clip is generated."""
    track = _source(command, around)
    fps = command.value("fps")
    if track is not None and isinstance(fps, int) and (fps > 0 or fps == -1):
        taken = sampled_frames(track.frames, float(track.rate), fps)
        if taken < 2:
            yield Finding(
                what=f"{track.frames} frames at {float(track.rate):.2f} fps give {taken}: at least 2 are needed",
                fix="take a longer piece",
                flag="--video_path",
                stage=Stage.PREPROCESS if taken == 0 else None,
            )
    pose = _streams(command, around).get("src_pose.mp4")
    overlap, length = command.value("refert_num"), command.value("frame_num")
    if pose is None or overlap not in (1, 5) or not isinstance(length, int) or length <= overlap:
        return
    if pose.frames == 1 or clips(pose.frames, length, overlap).count == 0:
        yield Finding(
            what=f"src_pose.mp4 has {pose.frames} frames: with --refert_num {overlap} not one clip is generated",
            fix="take a longer piece" if pose.frames < 2 else "--refert_num 1",
            flag="--src_root_path",
        )


@trap("T34", Severity.WARNING, source=f"{PIPELINE}:41-63; dmlc/decord#24", stage=Stage.RESULT)
def phone_video(command: Command, around: Surroundings) -> Iterator[Finding]:
    """A variable rate is read as if it were constant, and a rotation tag is not always heeded: normalise first."""
    track = _source(command, around)
    if track is None:
        return
    if track.variable:
        what = "the source's rate varies; frames are picked as if it did not, so motion and sound drift apart"
        yield Finding(what=what, fix="ffmpeg -i in.mp4 -vf fps=30 out.mp4", flag="--video_path")
    if track.rotation:
        what = f"the source is turned by a tag ({track.rotation} degrees), which decord does not always heed"
        yield Finding(what=what, fix="ffmpeg -i in.mp4 out.mp4 writes it upright", flag="--video_path")


@trap("U8", Severity.ERROR, source="the files themselves")
def missing_input(command: Command, around: Surroundings) -> Iterator[Finding]:
    """An input that is not there, looked for only where the command is said to run."""
    if not around.here:
        return
    inputs = ("ckpt_path", "video_path", "refer_path") if command.preprocesses else ("ckpt_dir", "src_root_path")
    for name in inputs:
        path = command.path(name, around.base)
        if path is not None and not path.exists():
            yield Finding(what=f"--{name} {_short(path)} does not exist", fix=f"correct --{name}", flag=f"--{name}")


def _short(path: Path) -> str:
    return str(path) if len(str(path)) < 80 else f"…{str(path)[-79:]}"


RULES = (
    source_rate,
    replacement_as_animation,
    animation_as_replacement,
    missing_output_folder,
    more_cells_than_pixels,
    tokens_divide,
    stale_files,
    unreadable_reference,
    too_few_frames,
    phone_video,
    missing_input,
)

"""Footage at the command line: what it is, how a plan falls on it, and what is made of it before a swap."""

from pathlib import Path
from typing import Annotated

import typer

from ugclab.entrypoints import options, terminal
from ugclab.entrypoints.terminal import print_json
from ugclab.schema.job import FaceSelector, StitchMode, SwapOptions


def probe(source: options.Source, as_json: options.Json = False) -> None:
    """Say what a video file is: size, times, colour, groups of pictures, sound."""
    from ugclab.media.probe import probe as probe_file

    info = probe_file(source)
    if as_json:
        typer.echo(info.model_dump_json(indent=1))
        return
    colour = info.colour
    rate = f"{float(info.frame_rate):.3f} frames/s" + (", varying" if info.variable_frame_rate else "")
    closed = "closed" if info.gop.closed else "open"
    rows = [
        ("container", info.container),
        ("picture", f"{info.width}x{info.height}" + (f", turned by {info.rotation} degrees" if info.rotation else "")),
        ("time", f"{float(info.duration):.3f} s, {info.frames} frames, {rate}"),
        ("codec", f"{info.video_codec} {info.profile}, {info.pixel_format}" + (", interlaced" * info.interlaced)),
        ("colour", f"{colour.primaries}/{colour.transfer}/{colour.matrix}, {colour.bit_depth} bits"),
        ("groups", f"{info.gop.keyframes} keyframes, longest {float(info.gop.longest_s):.2f} s, {closed}"),
        *(("sound", f"{a.codec}, {a.layout}, {a.sample_rate} Hz {a.language}".rstrip()) for a in info.audio),
    ]
    terminal.table(("", source.name), rows)


def show_plan(
    source: options.Source,
    plan: options.Plan = "default",
    stitch: options.Stitch = StitchMode.AUTO,
    tone_map: options.ToneMap = False,
    as_json: options.Json = False,
) -> None:
    """Show how a plan falls on a video, without running it: frames, times, and what stays bit-exact."""
    from ugclab.pipeline.outline import outline

    made = outline(source, plan, mode=stitch, tone_map=tone_map)
    if as_json:
        typer.echo(made.model_dump_json(indent=1))
        return
    terminal.table(
        ("segment", "time", "action", "first frame", "frames", "starts at s"),
        [
            (r.segment.index, str(r.segment.range), r.segment.action, r.first_frame, r.frames, f"{float(r.time):.4f}")
            for r in made.rows
        ],
    )
    typer.echo(f"stitched: {made.stitch_mode}; {made.exact_frames} frames bit-exact ({made.stitch_reason})")


def prepare(
    source: options.Source,
    out: Annotated[Path, typer.Option("--out", "-o", help="The prepared video, .mp4.", show_default=False)],
    plan: options.Plan = "default",
    crf: Annotated[int, typer.Option("--crf", help="Quality: lower is better, larger.", min=0, max=40)] = 14,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Write a video once for many avatars: swapped by the same plan, it keeps every other frame bit for bit.

    Any codec, rate or depth becomes upright 8-bit H.264 at a steady rate with a keyframe at each boundary of the plan.
    """
    from ugclab.entrypoints.progress import interruptible
    from ugclab.pipeline.preparing import prepare as prepare_file

    with interruptible(quiet=quiet) as (interrupt, bar):
        info = prepare_file(source, out, plan, crf=crf, on_progress=bar, cancelled=interrupt.cancelled)
    if as_json:
        typer.echo(info.model_dump_json(indent=1))
    elif not quiet:
        typer.echo(
            f"{out}: {info.frames} frames; now: ugclab swap {out} AVATAR --plan '{plan}' --stitch prepared -o OUT"
        )


def preview(
    source: options.Source,
    avatar: options.Avatar,
    out: Annotated[Path, typer.Option("--out", "-o", help="The picture, .png.", show_default=False)],
    at: Annotated[str, typer.Option("--at", help="When, as 5, 1:02.5 or 150/30.", metavar="TIME")] = "0",
    face: options.Face = "largest",
    engine: options.Engine = "mesh",
    seed: options.Seed = options.DEFAULTS.seed,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Swap one frame and write it as a picture: before on the left, after on the right."""
    from ugclab.media.images import encode_png
    from ugclab.media.output import check_folder, whole_file
    from ugclab.media.probe import probe as probe_file
    from ugclab.pipeline.contact_sheet import side_by_side
    from ugclab.pipeline.preview import preview as preview_frame
    from ugclab.schema.plan import parse_time
    from ugclab.settings import Settings

    check_folder(out)
    wanted = SwapOptions(face=FaceSelector.parse(face), seed=seed)
    from ugclab.entrypoints.progress import interruptible

    with interruptible(quiet=quiet) as (interrupt, bar):
        time = parse_time(at, probe_file(source).duration)
        made = preview_frame(
            source,
            avatar,
            time,
            Settings(),
            engine_name=engine,
            options=wanted,
            on_progress=bar,
            cancelled=interrupt.cancelled,
        )
    with whole_file(out) as part:
        part.write_bytes(encode_png(side_by_side(made.before, made.after)))
    if as_json:
        print_json({"time": f"{made.time.numerator}/{made.time.denominator}", "swapped": made.swapped, "out": str(out)})
    elif not quiet:
        typer.echo(f"{out}: the frame at {float(made.time):.3f} s, {'swapped' if made.swapped else 'no face found'}")

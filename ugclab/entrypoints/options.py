"""The words of the command line: arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from ugclab.schema.job import EyewearMode, ReplaceMode, StitchMode, SwapOptions

DEFAULTS = SwapOptions()
Source = Annotated[Path, typer.Argument(help="The video.", metavar="SOURCE", show_default=False)]
Avatar = Annotated[Path, typer.Argument(help="A photo of the face to put in.", metavar="AVATAR", show_default=False)]
Plan = Annotated[
    str,
    typer.Option(
        "--plan",
        help="Segments as 0-5:swap,5-15:keep,15-end:swap; or all, faces (wherever one is found), or default "
        "(0-5 and 15-20 swapped, cut or continued to the video's length).",
    ),
]
Face = Annotated[
    str, typer.Option("--face", help="Which face: largest, left, right, all, index:N or like:PHOTO.", metavar="WHICH")
]
Eyewear = Annotated[
    EyewearMode,
    typer.Option("--eyewear", help="Glasses in the footage: kept on, or covered by the face.", case_sensitive=False),
]
Replace = Annotated[
    ReplaceMode,
    typer.Option(
        "--replace", help="What the Wan engines take from the model: the head, or the person.", case_sensitive=False
    ),
]
Engine = Annotated[str, typer.Option("--engine", help="What swaps: see ugclab engines.", metavar="NAME")]
Stitch = Annotated[StitchMode, typer.Option("--stitch", help="How untouched parts are kept.", case_sensitive=False)]
Crf = Annotated[int, typer.Option("--crf", help="Quality of swapped frames: lower is better, larger.", min=0, max=40)]
Watermark = Annotated[str, typer.Option("--watermark", help="Text shown on swapped frames.", metavar="TEXT")]
ToneMap = Annotated[bool, typer.Option("--tone-map", help="Turn HDR into bt709 instead of keeping it.")]
MinSwapped = Annotated[
    float, typer.Option("--min-swapped", help="Least share of a segment's frames to show the face.", min=0, max=1)
]
Seed = Annotated[int, typer.Option("--seed", help="Same seed, same pictures.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Take nothing up from earlier runs.")]
ReportFile = Annotated[Path | None, typer.Option("--report-json", help="Write the report there.", show_default=False)]
Sheet = Annotated[
    Path | None, typer.Option("--contact-sheet", help="Write a before/after picture there.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
AcceptLicence = Annotated[
    bool, typer.Option("--accept-licence", help="You accept the licences of the files named, see ugclab models list.")
]
Names = Annotated[list[str] | None, typer.Argument(help="Engines or files; all that engines need if left out.")]

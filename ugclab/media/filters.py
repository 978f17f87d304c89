"""Filters between decoder and frames: deinterlacing, and HDR to bt709. A picture in, a picture out, at its time."""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
from av.filter import Graph
from av.video.frame import VideoFrame

from ugclab.media.colour import BT709
from ugclab.media.tonemap import write_table
from ugclab.schema.media import Colour, MediaInfo


@dataclass(frozen=True, slots=True)
class PictureFilter:
    """A chain of FFmpeg's filters over coded pictures, before they are turned upright."""

    info: MediaInfo
    deinterlace: bool
    tone_map: bool

    @property
    def colour(self) -> Colour:
        """What comes out of it."""
        return BT709 if self.tone_map else self.info.colour

    def run(self, pictures: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
        """Yield the pictures filtered, in order, with the timestamps they had."""
        graph: Graph | None = None
        with tempfile.TemporaryDirectory(prefix="ugclab-lut-") as folder:
            for picture in pictures:
                if graph is None:
                    graph = self._graph(picture, Path(folder))
                picture.time_base = self.info.time_base
                graph.vpush(picture)
                yield from self._pull(graph)
            if graph is not None:
                graph.vpush(None)
                yield from self._pull(graph)

    def _pull(self, graph: Graph) -> Iterator[VideoFrame]:
        while True:
            try:
                picture = graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            if picture.pts is not None and picture.time_base is not None:
                picture.pts = round(picture.pts * picture.time_base / self.info.time_base)
            picture.time_base = self.info.time_base
            yield picture

    def _graph(self, picture: VideoFrame, folder: Path) -> Graph:
        chain: list[tuple[str, str]] = []
        if self.deinterlace:
            chain.append(("bwdif", "mode=send_frame:parity=auto:deint=all"))
        if self.tone_map:
            table = folder / "hdr.cube"
            write_table(table, self.info.colour.transfer)
            chain += [
                ("scale", f"in_color_matrix=bt2020:in_range={'full' if self.info.colour.full_range else 'limited'}"
                          ":out_range=full:flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"),
                ("format", "gbrp10le"),
                ("lut3d", f"file={table}:interp=tetrahedral"),
                ("scale", "out_color_matrix=bt709:in_range=full:out_range=limited"
                          ":flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"),
                ("format", "yuv420p"),
            ]  # fmt: skip
        base = self.info.time_base
        graph = Graph()
        last = graph.add_buffer(width=picture.width, height=picture.height, format=picture.format, time_base=base)
        for name, arguments in [*chain, ("buffersink", "")]:
            following = graph.add(name, arguments)
            last.link_to(following)
            last = following
        graph.configure()
        return graph


def picture_filter(info: MediaInfo, *, tone_map: bool) -> PictureFilter | None:
    """The filter that footage needs, or None."""
    wanted = tone_map and info.colour.hdr
    return PictureFilter(info, deinterlace=info.interlaced, tone_map=wanted) if info.interlaced or wanted else None

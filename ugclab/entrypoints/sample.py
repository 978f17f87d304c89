"""Where the sample video and its avatar lie: in a checkout beside the package, in a wheel inside it."""

from pathlib import Path

import ugclab
from ugclab.errors import MediaError

SOURCE, AVATAR = "talking_head.mp4", "avatar.jpg"


def sample_files() -> tuple[Path, Path]:
    """The sample's video and photo. Raises MediaError where they were left out."""
    package = Path(ugclab.__file__).parent
    for folder in (package / "sample_media", package.parent / "sample_media"):
        if (folder / SOURCE).is_file() and (folder / AVATAR).is_file():
            return folder / SOURCE, folder / AVATAR
    raise MediaError("the sample video is not here", hint="take a checkout or the published wheel")

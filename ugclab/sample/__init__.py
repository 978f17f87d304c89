"""The sample that comes with the package: a clip of a talking head and a face to put on it.

Both are made from public photographs, and synthetic; how, and under which terms, is told in sample_media/README.md.
"""

from pathlib import Path

CLIP = Path(__file__).parent / "talking_head.mp4"
"""30 s, 1280x720, 25 frames/s, H.264 and AAC: a woman talks to the camera."""

AVATAR = Path(__file__).parent / "avatar.jpg"
"""A portrait of another woman, who wears glasses."""

"""A drawn hand before a real face: seen, placed, and told apart from one beside it and from none."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.engines.mesh.conftest import Models
from tests.engines.mesh.people import Actor, find, middle, wall
from tests.engines.mesh.test_records import face
from ugclab.engines.mesh import findings
from ugclab.engines.mesh.following import HANDS, PALMS
from ugclab.engines.mesh.palms import LOOK_EVERY, Hand, HandDetector, covers
from ugclab.engines.mesh.records import Recorder, Records
from ugclab.engines.mesh.sampling import Still
from ugclab.errors import UgclabError
from ugclab.media.probe import probe
from ugclab.sample import CLIP
from ugclab.settings import Settings
from ugclab.weights import hub

Image = NDArray[np.uint8]
SKIN, SHADE = (206, 152, 126), (150, 100, 80)
FINGERS = ((-36, -62, -50, -140), (-13, -70, -16, -160), (11, -70, 14, -155), (33, -62, 44, -130), (40, 20, 85, -35))
"""Each from its knuckle to its tip, px from the middle of the palm."""


@pytest.fixture(scope="module")
def hands() -> HandDetector:
    settings = Settings()
    try:
        hub.ensure((PALMS, HANDS), settings.weights_dir, offline=settings.offline)
    except UgclabError as error:
        pytest.skip(f"no model files: {error}")
    return HandDetector(settings.weights_dir / PALMS, settings.weights_dir / HANDS)


def scene(talker: Actor) -> Image:
    canvas = wall(640, 640)
    talker.play(canvas, 320, 260, 200)
    return canvas


def draw_hand(picture: Image, x: int, y: int) -> None:
    """A flat hand, fingers up, the middle of its palm at (x, y)."""
    for colour, grow in ((SHADE, 3), (SKIN, 0)):
        cv2.rectangle(picture, (x - 30 - grow, y + 50), (x + 28 + grow, y + 200), colour, -1)
        cv2.ellipse(picture, (x, y), (48 + grow, 72 + grow), 0, 0, 360, colour, -1)
        for x0, y0, x1, y1 in FINGERS:
            cv2.line(picture, (x + x0, y + y0), (x + x1, y + y1), colour, 24 + 2 * grow, cv2.LINE_AA)
    part = picture[max(y - 200, 0) : y + 200, max(x - 120, 0) : x + 120]
    part[:] = cv2.GaussianBlur(part, (0, 0), 1.0)


def test_a_bare_face_is_no_hand(models: Models, talker: Actor, hands: HandDetector) -> None:
    picture = scene(talker)
    assert hands.near(Still.from_rgb(picture), find(picture, *models)) == []


def test_a_hand_before_the_face_is_seen(models: Models, talker: Actor, hands: HandDetector) -> None:
    """At four heights; the joints of a drawing may be mistaken once, but not in most."""
    apart = []
    for below in (100, 120, 140, 160):
        picture = scene(talker)
        points = find(picture, *models)
        x, y = np.rint(middle(points)).astype(int).tolist()
        draw_hand(picture, x, y + below)
        found = hands.near(Still.from_rgb(picture), points)
        assert len(found) == 1
        assert covers(found[0], points)
        tips = found[0].joints[[20, 16, 12, 8]]
        drawn = np.array([[x + x1, y + below + y1] for _, _, x1, y1 in FINGERS[:4]])
        apart.append(float(np.linalg.norm(tips - drawn, axis=1).mean()))
    assert np.median(apart) < 20, "px: the joints lie on the fingers of a hand 230 px long"


def test_a_hand_beside_the_face_is_not_before_it() -> None:
    points = face(300)
    joints = np.full((21, 2), 200.0, np.float32)
    joints[:, 0] = 300
    assert covers(Hand(joints, 0.9), points)
    assert not covers(Hand(joints + np.float32([500, 0]), 0.9), points)
    joints[1:] += 500
    assert not covers(Hand(joints, 0.9), points), "one joint hides nothing"


def test_the_warning_says_when(tmp_path: Path) -> None:
    """Looks at the sample clip's clock: two in a row and one alone."""
    info = probe(CLIP)
    tick = 1 / (info.frame_rate * info.time_base)
    with Recorder(tmp_path) as recorder:
        recorder.begin_range()
        for frame in range(15 * LOOK_EVERY):
            recorder.begin_frame(round(frame * tick + info.start / info.time_base))
            recorder.add(0, face(300), hand=frame in (2 * LOOK_EVERY, 3 * LOOK_EVERY, 10 * LOOK_EVERY))
    told = [w for w in findings.warnings([], [[0]], Records(tmp_path), info, [None]) if "hand" in w]

    def at(frame: int) -> str:
        return f"{float(Fraction(frame) / info.frame_rate):.1f}"

    around = LOOK_EVERY // 2
    first = f"{at(2 * LOOK_EVERY - around)}-{at(3 * LOOK_EVERY + around)} s"
    second = f"{at(10 * LOOK_EVERY - around)}-{at(10 * LOOK_EVERY + around)} s"
    assert told == [f"a hand is before the face at {first}, {second}: the avatar is painted over it there"]


def test_no_hand_no_warning(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder:
        recorder.begin_range()
        for frame in range(30):
            recorder.begin_frame(frame)
            recorder.add(0, face(300))
    assert findings.warnings([], [[0]], Records(tmp_path), probe(CLIP), [None]) == []

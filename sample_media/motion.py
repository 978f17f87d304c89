"""How a talking head moves: the mouth after a voice, blinks and glances by chance, the head between the two.

Everything is drawn from one seeded generator, so the same seed gives the same clip.
"""

import subprocess
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sample_media.expression import Pose

Curve = NDArray[np.float64]

TEXT = """Hello, and welcome. This short clip shows how the workbench handles a person who talks to the camera.
Nobody stood in front of a lens for it. The picture is a public photograph that was set in motion, and the voice comes
from a small speech synthesiser. Watch the mouth, the eyes, and the light on the face. Two parts of this video will be
given to another person, and two will be left exactly as they are. If all goes well, you will not see where one ends
and the next begins. Thank you for watching."""


def speak(path: Path, voice: str = "en-us+f3", words_per_minute: int = 180) -> None:
    """Write the text as a WAV file with espeak-ng."""
    command = [
        "espeak-ng",
        "-v",
        voice,
        "-s",
        str(words_per_minute),
        "-p",
        "42",
        "-w",
        str(path),
        TEXT.replace("\n", " "),
    ]
    try:
        subprocess.run(command, check=True)
    except FileNotFoundError:
        raise SystemExit("espeak-ng is missing: apt-get install espeak-ng") from None


def read_wav(path: Path) -> tuple[NDArray[np.float64], int]:
    """Read mono 16-bit samples as -1…1, and their rate."""
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
        return samples, file.getframerate()


def mouth_curves(samples: NDArray[np.float64], rate: int, frames: int, fps: int) -> tuple[Curve, Curve, Curve]:
    """Derive (jaw, close, narrow) of each frame from the voice.

    The jaw follows the energy of the first formant, the corners the balance between low and high second formants
    (an o is low, an e is high); hiss lets the teeth meet; between the sounds the lips close.
    """
    window = int(rate * 0.05)
    padded = np.pad(samples, (window, window + int(frames * rate / fps)))
    starts = (np.arange(frames) * rate / fps).astype(int) + window - window // 2
    spectrum = np.abs(np.fft.rfft(np.stack([padded[s : s + window] for s in starts]) * np.hanning(window), axis=1))
    hertz = np.fft.rfftfreq(window, 1 / rate)

    def band(low: float, high: float) -> Curve:
        return np.sqrt((spectrum[:, (hertz >= low) & (hertz < high)] ** 2).sum(1))

    first, back, front, hiss = band(300, 1100), band(500, 1100), band(1500, 2800), band(4000, 9000)
    voiced = first / np.percentile(first, 97)
    jaw = np.clip(voiced, 0, 1.1) ** 0.75 * np.clip(1.3 - hiss / (first + 1e-9), 0.25, 1)
    loud = np.maximum(voiced, 0.5 * hiss / np.percentile(hiss, 97))
    narrow = np.clip(np.log((back + 1e-6) / (front + 1e-6)) * 0.45, -0.5, 1) * np.clip(loud * 3, 0, 1)
    close = np.clip(1 - loud / 0.16, 0, 1)
    return ease(jaw, 0.55), ease(close, 0.75), ease(narrow, 0.45)


def ease(curve: Curve, share: float) -> Curve:
    """Let a curve lag by a first-order filter run both ways, so that nothing jumps and nothing comes late."""
    for _ in range(2):
        out = curve.copy()
        for i in range(1, len(out)):
            out[i] = out[i - 1] + share * (curve[i] - out[i - 1])
        curve = out[::-1]
    return curve


def blinks(frames: int, fps: int, rng: np.random.Generator) -> Curve:
    """Shut the lids every 2 to 6 s for 150 to 250 ms, faster down than up; now and then twice in a row."""
    lids = np.zeros(frames)
    time = np.arange(frames) / fps
    at = rng.uniform(0.8, 1.8)
    while at < time[-1]:
        length = rng.uniform(0.17, 0.25)
        phase = (time - at) / length
        # Down in 35 % of the time, shut for 20 %, up in the rest.
        shape = np.where(phase < 0.35, phase / 0.35, np.where(phase < 0.55, 1, (1 - phase) / 0.45))
        lids = np.maximum(lids, np.clip(shape, 0, 1) * rng.uniform(0.95, 1.0))
        at += length + (rng.uniform(0.15, 0.3) if rng.random() < 0.15 else rng.uniform(1.8, 5.5))
    return lids


def glances(frames: int, fps: int, rng: np.random.Generator) -> tuple[Curve, Curve]:
    """Shift the gaze by quick jumps and hold it; most of the time it rests on the camera."""
    x, y = np.zeros(frames), np.zeros(frames)
    at = 0
    while at < frames:
        away = rng.random() < 0.45
        hold = int(fps * (rng.uniform(0.4, 1.1) if away else rng.uniform(0.8, 2.6)))
        x[at : at + hold] = rng.uniform(-0.1, 0.1) if away else rng.normal(0, 0.01)
        y[at : at + hold] = rng.uniform(-0.03, 0.03) if away else rng.normal(0, 0.006)
        at += hold
    return ease(x, 0.85), ease(y, 0.85)


def wander(frames: int, fps: int, slowest_s: float, rng: np.random.Generator) -> Curve:
    """Drift smoothly round zero with deviation 1: a few slow sines of random phase."""
    time = np.arange(frames) / fps
    total = np.zeros(frames)
    for octave in range(3):
        period = slowest_s / (1.9**octave) * rng.uniform(0.85, 1.15)
        total += np.sin(2 * np.pi * (time / period + rng.random())) / 1.5**octave
    return total / max(total.std(), 1e-9)


def talk(
    samples: NDArray[np.float64], rate: int, frames: int, fps: int, seed: int, *, smiling: bool, jaw_scale: float
) -> list[Pose]:
    """Give every frame of a talking head its pose. Whoever smiles in the picture mostly lets it go while talking."""
    rng = np.random.default_rng(seed)
    jaw, close, narrow = mouth_curves(samples, rate, frames, fps)
    lids = blinks(frames, fps, rng)
    gaze_x, gaze_y = glances(frames, fps, rng)
    stress = ease(np.clip(jaw - 0.5, 0, 1), 0.25)  # loud syllables nod the head and lift the brows
    yaw = 4.5 * wander(frames, fps, 7.0, rng) + 10 * ease(gaze_x, 0.12)
    pitch = 1.5 * wander(frames, fps, 5.0, rng) + 5.0 * stress - 0.5
    roll = 1.7 * wander(frames, fps, 6.0, rng)
    sway_x, sway_y = 0.018 * wander(frames, fps, 8.0, rng), 0.008 * wander(frames, fps, 5.0, rng)
    pan_x, pan_y = 9 * wander(frames, fps, 14.0, rng), 4 * wander(frames, fps, 11.0, rng)
    zoom = 1.03 + 0.012 * wander(frames, fps, 19.0, rng)
    brows = np.clip(1.2 * stress + 0.25 * wander(frames, fps, 4.0, rng), -0.3, 1)
    smile = np.clip(0.75 - 0.2 * wander(frames, fps, 9.0, rng), 0.1, 1) if smiling else np.zeros(frames)
    return [
        replace(
            Pose(),
            jaw=float(jaw_scale * jaw[i]),
            close=float(close[i]),
            narrow=float(narrow[i]),
            relax=float(smile[i]),
            lids=float(lids[i]),
            brows=float(brows[i]),
            gaze=(float(gaze_x[i]), float(gaze_y[i])),
            yaw=float(yaw[i]),
            pitch=float(pitch[i]),
            roll=float(roll[i]),
            shift=(float(sway_x[i]), float(sway_y[i])),
            pan=(float(pan_x[i]), float(pan_y[i])),
            zoom=float(zoom[i]),
        )
        for i in range(frames)
    ]

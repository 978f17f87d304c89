"""HDR (PQ, HLG; BT.2020) to SDR (BT.709) as a colour look-up table, computed once.

Light is display light in cd/m2. Transfer functions: ITU-R BT.2100-2, tables 4 and 5. Roll-off: ITU-R BT.2390-10, 5.4.1.
SDR white stands for HDR reference white, 203 cd/m2 (ITU-R BT.2408-7). Display gamma: ITU-R BT.1886.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SDR_WHITE = 203.0
HDR_PEAK = 1000.0
"""What content is taken to be graded for: the nominal peak of HLG and of nearly all PQ footage from phones."""
_M1, _M2, _C1, _C2, _C3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
_TO_709 = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]])  # BT.2087
_LUMA_2020 = np.array([0.2627, 0.6780, 0.0593])
_SIZE = 33


def pq_to_light(signal: Floats) -> Floats:
    """PQ signal in [0, 1] to cd/m2."""
    power = signal ** (1 / _M2)
    return np.asarray(10_000 * (np.maximum(power - _C1, 0) / (_C2 - _C3 * power)) ** (1 / _M1))


def light_to_pq(light: Floats) -> Floats:
    """Light in cd/m2 to PQ signal."""
    power = (np.maximum(light, 0) / 10_000) ** _M1
    return np.asarray(((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2)


def hlg_to_light(signal: Floats) -> Floats:
    """HLG signal of shape (…, 3) to cd/m2 on a display of 1000 cd/m2 (system gamma 1.2)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    luma = (scene @ _LUMA_2020)[..., None]
    return np.asarray(HDR_PEAK * scene * np.maximum(luma, 1e-9) ** 0.2)


def roll_off(light: Floats) -> Floats:
    """Compress [0, HDR_PEAK] into [0, SDR_WHITE], leaving all below the knee as it is."""
    peak, white = light_to_pq(np.array([HDR_PEAK, SDR_WHITE]))
    signal = np.minimum(light_to_pq(light) / peak, 1)
    top = white / peak
    knee = 1.5 * top - 0.5
    t = (signal - knee) / (1 - knee)
    curve = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * top
    return pq_to_light(np.where(signal < knee, signal, curve) * peak)


def to_sdr(signal: Floats, transfer: str) -> Floats:
    """R'G'B' of BT.2020 with the given transfer, shape (…, 3), to R'G'B' of BT.709, both in [0, 1]."""
    light = hlg_to_light(signal) if transfer == "arib-std-b67" else pq_to_light(signal)
    brightest = np.maximum(light.max(axis=-1, keepdims=True), 1e-6)
    mapped = light * roll_off(brightest) / brightest  # one factor for all three keeps the hue
    linear = np.clip((mapped @ _TO_709.T) / SDR_WHITE, 0, 1)
    return np.asarray(linear ** (1 / 2.4))


def write_table(path: Path, transfer: str) -> None:
    """Write the look-up table as a .cube file, red changing fastest."""
    axis = np.linspace(0, 1, _SIZE)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")
    table = to_sdr(np.stack([red, green, blue], axis=-1), transfer).reshape(-1, 3)
    lines = "\n".join(f"{r:.6f} {g:.6f} {b:.6f}" for r, g, b in table)
    path.write_text(f"LUT_3D_SIZE {_SIZE}\n{lines}\n")

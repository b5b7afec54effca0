"""Values to integers and back: unit quaternions in 48 bits, fractions in 8, shape and vertices in 16."""

from __future__ import annotations

import math

import numpy as np

from pipeline.wire.layout import WireError

QUATERNION_SCALE = 16_383
"""A packed component c stands for (c - QUATERNION_SCALE) / QUATERNION_SCALE / sqrt(2); c needs 15 bits."""
MAX_ANGLE_ERROR_RAD = 1.8e-4
"""Bound of the rotation error of a packed quaternion.

Half a step is 0.5 / 16383 / sqrt(2) = 2.16e-5 in each of three components. The fourth follows from unit norm; it is
the largest, at least 1/2, so its error is at most sqrt(3)/2 / (1/2) times that of the others: the quaternion moves by
at most 2 sqrt(3) 2.16e-5 = 7.5e-5 and the rotation by twice that, 1.5e-4; the rest is room for float32.
"""
BETAS_SCALE = 2048
MESH_UNITS = 32_767


def pack_quaternions(wxyz: np.ndarray) -> np.ndarray:
    """Unit quaternions (..., 4) as (w, x, y, z) -> (..., 3) uint16.

    The component of largest magnitude, index k, is left out and made positive (q and -q are one rotation). The other
    three, in the order w, x, y, z, take the low 15 bits of the three words. Bit 15 of word 0 is bit 0 of k, bit 15 of
    word 1 is bit 1 of k, bit 15 of word 2 is 0.
    """
    q = np.asarray(wxyz, np.float64).reshape(-1, 4)
    norm = np.sqrt((q * q).sum(axis=1))
    if not (np.abs(norm - 1) <= 0.01).all():  # also where it is not finite
        raise WireError("rotations must be finite unit quaternions (w, x, y, z)")
    row = np.arange(len(q))
    largest = np.abs(q).argmax(axis=1)
    scale = np.copysign(math.sqrt(2) * QUATERNION_SCALE / norm, q[row, largest])
    others = q[row[:, None], _OTHERS[largest]] * scale[:, None]
    words = np.clip(np.rint(others) + QUATERNION_SCALE, 0, 2 * QUATERNION_SCALE).astype(np.uint16)
    words[:, 0] |= ((largest & 1) << 15).astype(np.uint16)
    words[:, 1] |= ((largest >> 1) << 15).astype(np.uint16)
    return words.reshape(*np.shape(wxyz)[:-1], 3)


def unpack_quaternions(words: np.ndarray) -> np.ndarray:
    """(..., 3) uint16 -> unit quaternions (..., 4) float32, (w, x, y, z). Raises WireError if none can be meant."""
    largest = ((words[..., 0] >> 15) | ((words[..., 1] >> 15) << 1)).astype(np.intp)
    others = ((words & 0x7FFF).astype(np.float64) - QUATERNION_SCALE) / (math.sqrt(2) * QUATERNION_SCALE)
    rest = 1 - np.sum(others * others, axis=-1)
    if np.any(rest < 0.2):  # The largest of four is at least 1/2, its square at least 1/4.
        raise WireError("a packed rotation is no unit quaternion")
    q = np.empty((*words.shape[:-1], 4))
    np.put_along_axis(q, largest[..., None], np.sqrt(rest)[..., None], axis=-1)
    np.put_along_axis(q, _OTHERS[largest], others, axis=-1)
    return q.astype(np.float32)


_OTHERS = np.array([[i for i in range(4) if i != k] for k in range(4)])


def pack_fraction(value: float) -> int:
    """0..1 -> 0..254, NaN -> 255."""
    return 255 if math.isnan(value) else round(254 * min(max(value, 0.0), 1.0))


def unpack_fraction(value: int) -> float:
    """Inverse of `pack_fraction`, at most 1/508 off."""
    return math.nan if value == 255 else int(value) / 254


def pack_betas(betas: np.ndarray) -> np.ndarray:
    """Shape coefficients -> int16; at most 1/4096 off within +-15.99, clipped there."""
    if not np.all(np.isfinite(betas)):
        raise WireError("betas must be finite")
    return np.clip(np.rint(np.asarray(betas, np.float64) * BETAS_SCALE), -32_767, 32_767).astype("<i2")


def unpack_betas(values: np.ndarray) -> np.ndarray:
    """Inverse of `pack_betas`, float32."""
    return values.astype(np.float32) / np.float32(BETAS_SCALE)


def pack_vertices(vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices (V, 3) in metres -> centre (3,) float32, step (3,) float32, (V, 3) int16.

    The error per axis is at most half a step: 0.02 mm for a body that is 2.5 m wide, so below 0.1 mm in all for boxes
    up to 3.7 m.
    """
    low, high = vertices.min(axis=0).astype(np.float64), vertices.max(axis=0).astype(np.float64)
    if not (np.all(np.isfinite(low)) and np.all(np.isfinite(high))):
        raise WireError("vertices must be finite")
    centre = ((low + high) / 2).astype(np.float32)
    reach = np.maximum(high - centre, centre - low)
    step = np.maximum(reach / (MESH_UNITS - 1), 1e-9).astype(np.float32)
    units = np.rint((vertices - centre.astype(np.float64)) / step.astype(np.float64))
    return centre, step, np.clip(units, -MESH_UNITS, MESH_UNITS).astype("<i2")


def unpack_vertices(centre: np.ndarray, step: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Inverse of `pack_vertices`: (V, 3) float32, metres."""
    return units.astype(np.float32) * step.astype(np.float32) + centre.astype(np.float32)

"""Decoded heatmaps against loops in float64."""

import numpy as np
import pytest

from kernels.decode_heatmaps import decode_heatmaps as cpu_heatmaps
from kernels.decode_volumes import decode_volumes as cpu_volumes
from kernels.launch.decode_heatmaps import decode_heatmaps, decode_volumes


def decode_slowly(heatmap, size_px, radius=4, mass_radius=2):
    """One map, cell by cell."""
    height, width = heatmap.shape
    peak_y, peak_x = np.unravel_index(heatmap.argmax(), heatmap.shape)
    total = mass = x = y = 0.0
    for row in range(max(peak_y - radius, 0), min(peak_y + radius + 1, height)):
        for column in range(max(peak_x - radius, 0), min(peak_x + radius + 1, width)):
            value = float(heatmap[row, column])
            total, x, y = total + value, x + value * (column - peak_x), y + value * (row - peak_y)
            if max(abs(row - peak_y), abs(column - peak_x)) <= mass_radius:
                mass += value
    safe = max(total, 1e-9)
    return (peak_x + 0.5 + x / safe) * size_px / width, (peak_y + 0.5 + y / safe) * size_px / height, min(mass, 1.0)


def maps(kind, shape):
    rng = np.random.default_rng(0)
    if kind == "empty":
        return np.zeros(shape, np.float32)
    if kind == "one cell":
        out = np.zeros((*shape[:2], int(np.prod(shape[2:]))), np.float32)
        out[..., -1] = 1
        return out.reshape(shape)
    values = rng.random(shape) ** 8
    if kind == "ties":
        values = rng.integers(0, 2, shape) + 1e-3
    axes = tuple(range(2, len(shape)))
    return (values / values.sum(axis=axes, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 3, 5, 7), (1, 2, 48, 48), (2, 2, 16, 33), (1, 1, 64, 64)])
@pytest.mark.parametrize("kind", ["random", "empty", "one cell", "ties"])
def test_heatmaps(device, shape, kind):
    heatmaps = maps(kind, shape)
    found = device.download(decode_heatmaps(device.upload(heatmaps), 192.0))
    expected = [[decode_slowly(one, 192.0) for one in person] for person in heatmaps]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found, cpu_heatmaps(heatmaps, 192.0), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("radius", "mass_radius"), [(0, 0), (1, 2), (3, 1), (40, 7), (5, 0)])
def test_windows_of_any_radius(device, radius, mass_radius):
    heatmaps = maps("random", (1, 2, 12, 9))
    found = device.download(decode_heatmaps(device.upload(heatmaps), 64.0, radius, mass_radius))
    expected = [[decode_slowly(one, 64.0, radius, mass_radius) for one in heatmaps[0]]]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(cpu_heatmaps(heatmaps, 64.0, radius, mass_radius), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "shape", [(1, 1, 1, 1, 1), (2, 2, 3, 5, 7), (1, 2, 16, 24, 24), (1, 1, 256, 3, 3), (1, 1, 2, 64, 64)]
)
@pytest.mark.parametrize("kind", ["random", "empty", "one cell"])
def test_volumes(device, shape, kind):
    volumes = maps(kind, shape)
    found = device.download(decode_volumes(device.upload(volumes), 192.0))
    for b, j in np.ndindex(*shape[:2]):
        volume = volumes[b, j].astype(float)
        marginal = volume.sum(axis=(1, 2))
        x, y, mass = decode_slowly(volumes[b, j].sum(axis=0), 192.0)
        z = (marginal * (np.arange(shape[2]) + 0.5)).sum() / max(marginal.sum(), 1e-9)
        np.testing.assert_allclose(found[b, j], [x, y, z, mass], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found, cpu_volumes(volumes, 192.0), rtol=1e-4, atol=1e-4)


def test_refusals(device):
    with pytest.raises(ValueError, match="H \\* W <= 4096"):
        decode_volumes(device.upload(np.zeros((1, 1, 1, 65, 64), np.float32)), 192.0)
    with pytest.raises(ValueError, match="must not be empty"):
        decode_heatmaps(device.upload(np.zeros((1, 1, 0, 4), np.float32)), 192.0)
    heatmaps = device.upload(np.zeros((2, 3, 4, 4), np.float32))
    with pytest.raises(ValueError, match=r"out must have shape \(2, 3, 3\)"):
        decode_heatmaps(heatmaps, 192.0, out=heatmaps)

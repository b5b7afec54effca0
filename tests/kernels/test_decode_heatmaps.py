"""Heatmap decoding against Gaussians whose centres are known."""

import numpy as np
import pytest

from kernels.decode_heatmaps import decode_heatmaps


def gaussian(x: float, y: float, size: int, sigma: float = 1.5) -> np.ndarray:
    grid = np.arange(size) + 0.5
    blob = np.exp(-((grid[None] - x) ** 2 + (grid[:, None] - y) ** 2) / (2 * sigma**2))
    return (blob / blob.sum()).astype(np.float32)


@pytest.mark.parametrize(("x", "y"), [(10.0, 20.5), (24.3, 24.9), (30.7, 5.2)])
def test_finds_the_centre_between_cells(x, y):
    found = decode_heatmaps(gaussian(x, y, 48)[None, None], 192.0)[0, 0]
    assert np.abs(found[:2] - np.array([x, y]) * 4).max() < 0.8  # a fifth of a cell


def test_confidence_is_high_for_a_peak_and_low_for_no_idea():
    flat = np.full((48, 48), 1 / 48**2, np.float32)
    peak, none = decode_heatmaps(np.stack([gaussian(20, 20, 48, 1.0), flat])[None], 192.0)[0, :, 2]
    assert peak > 0.9
    assert none == pytest.approx(25 / 48**2, rel=0.7)


def test_peak_in_a_corner_uses_only_the_picture():
    single = np.zeros((1, 1, 8, 8), np.float32)
    single[0, 0, 7, 0] = 1
    assert decode_heatmaps(single, 32.0)[0, 0] == pytest.approx([2.0, 30.0, 1.0])


def test_batches_do_not_mix():
    maps = np.stack([[gaussian(5, 9, 32), gaussian(20, 3, 32)], [gaussian(28, 28, 32), gaussian(12, 30, 32)]])
    found = decode_heatmaps(maps, 32.0)
    assert np.abs(found[..., :2] - np.array([[[5, 9], [20, 3]], [[28, 28], [12, 30]]])).max() < 0.3

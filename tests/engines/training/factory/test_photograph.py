"""Degradation keeps the geometry: size, type, and where things are."""

import numpy as np

from engines.training.factory.photograph import photograph


def test_bright_square_stays_in_place():
    image = np.full((224, 224, 3), 20, np.uint8)
    image[60:120, 100:180] = 230
    for seed in range(60):
        out = photograph(image, 224 if seed % 2 else 90, np.random.default_rng(seed))
        assert out.shape == image.shape
        assert out.dtype == np.uint8
        bright = out.astype(float).mean(axis=2)
        bright = np.maximum(bright - (bright.min() + bright.max()) / 2, 0)
        y, x = (np.average(np.arange(224) + 0.5, weights=bright.sum(axis=axis)) for axis in (1, 0))
        assert abs(y - 90) < 1.5, seed
        assert abs(x - 140) < 1.5, seed

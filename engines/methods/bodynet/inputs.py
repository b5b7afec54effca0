"""What the shape network reads, out of what the trunk saw."""

from __future__ import annotations

import cv2
import numpy as np

from engines.methods.bodynet.grid import GridView
from engines.methods.evidence import Evidence


def network_inputs(evidence: Evidence, grid: GridView, root: np.ndarray, input_px: int) -> dict[str, np.ndarray]:
    """Arrays by the names of `engines.networks.bodynet.DeployedBodyNet`; root (B, 3): the pelvis as far as known.

    The trunk may look at crops of another side than the ``input_px`` that the shape network was trained on.
    """
    cells = input_px // 4
    heatmaps, parts = (np.moveaxis(evidence.outputs[name], 1, -1) for name in ("heatmaps", "parts"))
    # Probabilities: larger cells hold more of them.
    mass = (heatmaps.shape[1] / cells) ** 2
    inputs = {
        "crops": resampled(evidence.crops, input_px),
        "heatmaps": np.moveaxis(resampled(heatmaps, cells), -1, 1) * np.float32(mass),
        "parts": np.moveaxis(resampled(parts, cells), -1, 1),
        "depth": grid.depth_units(evidence.depth_m, root),
    }
    return {name: np.ascontiguousarray(value) for name, value in inputs.items()}


def resampled(pictures: np.ndarray, side: int) -> np.ndarray:
    """(B, S, S, C) -> (B, side, side, C), bilinear."""
    if pictures.shape[1] == side:
        return pictures
    return np.stack([cv2.resize(picture, (side, side), interpolation=cv2.INTER_LINEAR) for picture in pictures])

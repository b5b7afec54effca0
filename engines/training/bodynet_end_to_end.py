"""The last stage of BodyNet's training: the trunk that makes the shape network's inputs learns along."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from engines.keypoints import NUM_POINTS
from engines.networks.bodynet import evidence_maps
from engines.networks.hourglass import PRESETS, Trunk
from engines.training.bodynet_batches import VolumeBatch
from engines.training.memory_format import channels_last
from engines.training.mixed_precision import mixed_precision
from engines.training.start_weights import shipped_weights

RATE = 0.05
"""Of the shape network's: the trunk is nearly done."""
ANCHOR = 0.01
"""Weight of staying near what the cached trunk said, in place of the labels it was trained with."""


class TrunkAlong:
    """A trunk whose maps replace the cached ones. The depths stay those of the cache: they pass through the lifter."""

    def __init__(self, weights: Path, rate: float, preset: str = "small") -> None:
        self.trunk = channels_last(Trunk(PRESETS[preset]))
        self.trunk.load_state_dict(shipped_weights(weights, "trunk."), strict=False)
        # Norms keep their statistics: a batch here is small.
        self.trunk.eval()
        self.anchor: Tensor = torch.zeros(())
        self._optimiser = torch.optim.AdamW(self.trunk.parameters(), lr=rate * RATE)

    def see(self, batch: VolumeBatch) -> VolumeBatch:
        """The batch with maps made now; sets `anchor`, the cross-entropy against the cached ones where these are."""
        with mixed_precision():
            output = self.trunk(batch.crops)
        logits = output.heatmaps[-1].float()
        heatmaps = logits.flatten(2).softmax(-1).view_as(logits)
        maps = evidence_maps(heatmaps, output.parts.float())
        there = batch.maps.flatten(2).amax(-1) > 0
        target = batch.maps.square()
        points = -(target[:, :NUM_POINTS] * heatmaps.clamp_min(1e-8).log()).sum((2, 3))
        parts = -(batch.maps[:, NUM_POINTS:] * maps[:, NUM_POINTS:].clamp_min(1e-8).log()).mean((2, 3))
        self.anchor = ANCHOR * (torch.cat((points, parts), 1) * there).mean()
        return replace(batch, maps=maps * there[..., None, None])

    def descend(self) -> None:
        """Take the trunk's step."""
        torch.nn.utils.clip_grad_norm_(self.trunk.parameters(), 1.0)
        self._optimiser.step()
        self._optimiser.zero_grad()

"""Sizes of the bilayer graph mesh network."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BilayerConfig:
    """One preset. Channel counts trade accuracy against time; the structure is the same for all."""

    lifter_width: int
    """Width of the residual MLP over all points; 0 leaves the lifter out, as in the paper."""
    lifter_blocks: int
    skeleton_channels: int
    mesh_channels: int
    mesh_layers: int
    """Graph convolutions on the coarse mesh."""
    refine_width: int
    """Width of the MLP that reads the fused graph."""
    steps: int
    """Refinements, each shown the reprojection error of the estimate so far. The paper has one and shows none."""
    feature_channels: tuple[int, ...] = ()
    """Channels of the trunk's feature maps that are read at the joints; empty: points only."""
    patch: int = 3
    """Samples per side of a joint's patch."""
    vertices_head: bool = False
    """Regress the coarse mesh itself and read pose and shape from it (the paper) instead of from the fused joints."""


PRESETS: dict[str, BilayerConfig] = {
    "small": BilayerConfig(
        lifter_width=768,
        lifter_blocks=3,
        skeleton_channels=64,
        mesh_channels=32,
        mesh_layers=2,
        refine_width=384,
        steps=2,
    ),
    "large": BilayerConfig(
        lifter_width=1536,
        lifter_blocks=5,
        skeleton_channels=192,
        mesh_channels=128,
        mesh_layers=4,
        refine_width=1024,
        steps=3,
    ),
    "paper": BilayerConfig(
        lifter_width=0,
        lifter_blocks=0,
        skeleton_channels=128,
        mesh_channels=64,
        mesh_layers=4,
        refine_width=768,
        steps=1,
        vertices_head=True,
    ),
}

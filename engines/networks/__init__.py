"""Torch modules. Imported by training and by the torch runtime only."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def build(network: str, preset: str) -> nn.Module:
    """The untrained network that a sidecar file names, as it is deployed: arrays in, arrays out.

    Raises ValueError for an unknown name.
    """
    if network == "trunk":
        from engines.networks.deploy import build_trunk

        return build_trunk(preset)
    if network == "locator":
        from engines.networks.deploy import build_locator

        return build_locator(preset)
    if network == "bilayer":
        from engines.networks.bilayer.export import build_deployed

        return build_deployed(preset)
    if network == "bodynet":
        from engines.networks.bodynet import build_bodynet

        return build_bodynet(preset)
    if network in ("smplr", "ordinal", "regressors"):
        from engines.networks import points

        return points.build_deployed(network, preset)
    raise ValueError(
        f"network is {network!r}, it must be one of trunk, locator, bilayer, bodynet, smplr, ordinal, regressors; "
        "export the weights again"
    )

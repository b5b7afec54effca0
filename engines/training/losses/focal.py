"""The focal loss of Bilayer-Graph: vertices that are hard weigh more."""

from __future__ import annotations

from torch import Tensor


def focal_vertex_loss(error: Tensor, scale: float = 5.0, power: float = 1.0, ceiling: float = 0.95) -> Tensor:
    """-(aL)^g log(1 - min(t, aL)), averaged over all vertices.

    error: any shape, non-negative distances in metres; scale a per metre, power g, ceiling t < 1. The logarithm grows
    with the error and is held at -log(1 - t) from aL = t on, where it would leave its domain; the factor (aL)^g goes
    on growing there, so that the gradient of the worst vertices never vanishes while g > 0.
    Raises ValueError for a ceiling outside (0, 1) or a power that is not positive.
    """
    if not 0 < ceiling < 1:
        raise ValueError(f"ceiling is {ceiling}, it must lie between 0 and 1: log(1 - t) has to be finite")
    if not power > 0:
        raise ValueError(f"power is {power}, it must be positive: else clipped vertices have no gradient")
    scaled = (scale * error).clamp_min(1e-6)
    return -(scaled**power * (1 - scaled.clamp_max(ceiling)).log()).mean()

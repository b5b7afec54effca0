"""Where a shape lies between female and male, and how fat it is: what `smplr` is asked about besides coefficients.

The body model has one shape space and forgets the gender of the adults behind it. It is still there: over those adults,
drawn again from the seed of the bake, Anny's gender (0 female to 1 male, even) is linear in the ten coefficients, with
a correlation of 0.998 on 500 left out of the fit. `python -m engines.training.shape_traits` prints the axis; it needs
Anny.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from engines.body.model import BodyModel

AXIS = (-0.335, -0.267, -0.103, 0.360, -0.036, 0.044, -0.005, -0.032, 0.052, -0.035)
OFFSET = 0.017
WATER_KG_M3 = 1000.0


def gender_of(betas: Tensor) -> Tensor:
    """(B, 10) -> (B, 1): the paper's term, -1 female or +1 male, whichever side of the axis the shape lies on."""
    leaning = betas @ torch.tensor(AXIS, dtype=betas.dtype)[:, None] + OFFSET
    return torch.where(leaning > 0, 1.0, -1.0)


def body_mass_index(betas: np.ndarray, body: BodyModel, level: int = 2) -> np.ndarray:
    """(B, 10) -> (B,) kg / m^2 of bodies as heavy as water: the volume of the T-pose over its height squared."""
    zero = np.zeros((len(betas), 24, 3), np.float32)
    vertices = body.forward(zero, betas, np.zeros((len(betas), 3), np.float32), level).vertices.astype(np.float64)
    a, b, c = (vertices[:, body.faces[level][:, corner]] for corner in range(3))
    volume = np.einsum("bfc,bfc->b", a, np.cross(b, c)) / 6
    height = vertices[..., 1].max(1) - vertices[..., 1].min(1)
    return WATER_KG_M3 * np.abs(volume) / height**2


def fit_axis(bodies: int = 2000, held_out: int = 500) -> tuple[np.ndarray, float]:
    """Axis and offset (11,) by least squares, and the correlation on the bodies left out. Takes some minutes."""
    import anny
    from anny.shape_distribution import SimpleShapeDistribution

    from engines.body import load_body
    from engines.body.anny_source import OLDEST, YOUNGEST, random_adults
    from engines.body.bake import principal_shapes

    mesh = anny.Anny(rig="anny", topology="notoes", skinning_method="lbs")
    torch.manual_seed(0)
    ages = torch.distributions.Uniform(torch.tensor(YOUNGEST, dtype=mesh.dtype), torch.tensor(OLDEST, dtype=mesh.dtype))
    gender = SimpleShapeDistribution(mesh, ages).sample(bodies)[1]["gender"].double().numpy() * 2 - 1
    _, components, betas = principal_shapes(random_adults(bodies))
    assert components.shape[-1] == load_body().shapedirs.shape[-1]
    known = np.concatenate((betas, np.ones((bodies, 1))), 1)
    axis = np.linalg.lstsq(known[:-held_out], gender[:-held_out], rcond=None)[0]
    return axis, float(np.corrcoef(known[-held_out:] @ axis, gender[-held_out:])[0, 1])


if __name__ == "__main__":
    found, correlation = fit_axis()
    print(
        "axis", found[:-1].round(3).tolist(), "offset", round(float(found[-1]), 3), "correlation", round(correlation, 4)
    )

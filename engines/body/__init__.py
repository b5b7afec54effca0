"""The body model: 24 joints, 10 shape coefficients, linear blend skinning, three nested mesh levels. Numpy only."""

from engines.body.loading import load_body
from engines.body.model import BodyModel, BodyModelError, Posed

__all__ = ["BodyModel", "BodyModelError", "Posed", "load_body"]

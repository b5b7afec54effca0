"""SMPLR's networks: a denoising autoencoder on points, and two MLPs from clean points to rotations and shape."""

from engines.networks.smplr.autoencoder import DenoisingAutoencoder
from engines.networks.smplr.regressors import BodyRegressors, RegressedBody

__all__ = ["BodyRegressors", "DenoisingAutoencoder", "RegressedBody"]

"""SMPLR: points and depths -> denoising autoencoder -> clean 3D points -> two MLPs -> body.

See docs/methods/smplr.md.
"""

from __future__ import annotations

from functools import partial

from engines.methods.cloud_lifter import open_cloud_lifter

open_lifter = partial(open_cloud_lifter, "smplr")

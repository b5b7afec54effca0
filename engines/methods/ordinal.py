"""Ordinal Depth Supervision: points and depths of the trunk's volume -> reconstruction network -> 3D points -> body.

See docs/methods/ordinal.md.
"""

from __future__ import annotations

from functools import partial

from engines.methods.cloud_lifter import open_cloud_lifter

open_lifter = partial(open_cloud_lifter, "ordinal")

"""Ordinal Depth Supervision: points and depths of the trunk's volume -> reconstruction network -> 3D points -> body.

See docs/methods/ordinal.md.
"""

from __future__ import annotations

from engines.body import BodyModel
from engines.methods.cloud_lifter import CloudLifter, open_cloud_lifter
from engines.runtime.engine import Precision, Runtime


def open_lifter(
    body: BodyModel,
    *,
    runtime: Runtime,
    precision: Precision,
    preset: str,
    threads: int,
    consistent: bool = True,
) -> CloudLifter:
    """See `engines.methods.cloud_lifter.open_cloud_lifter`."""
    return open_cloud_lifter(
        "ordinal", body, runtime=runtime, precision=precision, preset=preset, threads=threads, consistent=consistent
    )

"""Mirror images written out, for tests to compare with."""

import torch

from engines.keypoints import JOINT_MIRROR, POINT_MIRROR


def mirrored(points: torch.Tensor) -> torch.Tensor:
    """Points, or a cloud (B, 41, C), of the mirror image."""
    out = points[:, list(POINT_MIRROR)]
    out[..., 0] *= -1
    return out


def mirrored_turns(rotations: torch.Tensor) -> torch.Tensor:
    """Local rotations (B, 24, 3, 3) of the mirror image."""
    flip = torch.diag(torch.tensor((-1.0, 1.0, 1.0), dtype=rotations.dtype))
    return flip @ rotations[:, list(JOINT_MIRROR)] @ flip

"""Depths err as a network's do: too little relief, and all points of a body together."""

import numpy as np
import torch

from engines.fitting.image_evidence import PELVIS
from engines.training.corruption import METRES_TALL, Corruption, corrupt


def test_relief_turn_and_lean_are_what_a_fit_per_person_finds():
    generator = torch.Generator().manual_seed(0)
    people = 600
    image = torch.rand(people, 41, 2, generator=generator) * 2 - 1
    depth = 0.3 * torch.randn(people, 41, generator=generator)
    options = Corruption(drop_depth=0.0, drop_joints=0.0, drop_point=0.0, drop_limb=0.0)
    seen = corrupt(image, depth, torch.zeros(people, 41, dtype=torch.bool), options, generator)
    box = (image.amax(1) - image.amin(1)).amax(-1)[:, None, None]
    metres = METRES_TALL * (image - image[:, PELVIS, None]) / box
    found = []
    for person in range(people):
        known = seen[person, :, 4] > 0
        columns = torch.cat([depth[person, known, None], metres[person, known]], 1).double()
        found.append(torch.linalg.lstsq(columns, seen[person, known, 3:4].double()).solution[:, 0])
    share, across, down = torch.stack(found).numpy().T
    np.testing.assert_allclose((share.mean(), share.std()), options.depth_shares, atol=0.05)
    np.testing.assert_allclose((across.std(), down.std()), options.depth_turn, atol=0.03)
    assert abs(across.mean()) < 0.04 and abs(down.mean()) < 0.04

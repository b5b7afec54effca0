"""A small shard whose pictures show their labels: a white dot at each point, classes 3 and 4 left and right of it."""

from pathlib import Path

import numpy as np

from engines.body import load_body
from engines.training.factory.shards import CROP_PX, PARTS_PX, SynthSample, write_shard

FOCAL_PX = 300.0
DOTS = (5, 6, 7, 10, 13)
"""Points that are drawn."""


def write_people(folder: Path, count: int, split: str = "train", seed: int = 0) -> None:
    """Standing people of many poses, as `{split}-0000.npz`."""
    body, rng = load_body(), np.random.default_rng(seed)
    pose = rng.normal(0, 0.2, (count, 24, 3)).astype(np.float32)
    pose[:, 0] += (np.pi, 0, 0)
    betas = rng.normal(0, 1, (count, 10)).astype(np.float32)
    place = (np.array((0.1, 0, 3.5)) + rng.normal(0, 0.1, (count, 3))).astype(np.float32)
    posed = body.forward(pose, betas, place)
    landmarks = body.coco(posed.vertices)
    intrinsics = np.array((FOCAL_PX, FOCAL_PX, 100, 120))
    samples = []
    for row in range(count):
        cloud = np.concatenate((landmarks[row], posed.joints[row]))
        points = np.column_stack((cloud[:, :2] / cloud[:, 2:] * FOCAL_PX + intrinsics[2:], np.ones(len(cloud))))
        image, parts = np.full((CROP_PX, CROP_PX, 3), 30, np.uint8), np.zeros((PARTS_PX, PARTS_PX), np.uint8)
        for x, y in points[list(DOTS), :2]:
            image[int(y) - 3 : int(y) + 4, int(x) - 3 : int(x) + 4] = 255
        middle = int(points[17, 0] / 2)
        parts[:, middle - 20 : middle], parts[:, middle : middle + 20] = 3, 4
        samples.append(
            SynthSample(
                image=image, parts=parts, others=parts * 0, points=points, joints_cam=posed.joints[row],
                landmarks_cam=landmarks[row], pose=pose[row], betas=betas[row], translation=place[row], K=intrinsics,
                crop_in_source=np.zeros(5), box=np.zeros(4),
            )
        )  # fmt: skip
    write_shard(folder / f"{split}-0000.npz", samples)

"""The ablation's own figures: perfect bodies score perfectly, moved ones do not."""

import numpy as np

from engines.body import load_body
from engines.estimate import BodyEstimate
from engines.training.evaluate.fitting import agreement
from engines.training.factory.shards import CROP_PX


class Shard:
    """Two people whose truth is made here."""

    def __init__(self) -> None:
        body, rng = load_body(), np.random.default_rng(0)
        self.pose = rng.normal(0, 0.2, (2, 24, 3)).astype(np.float32)
        self.pose[:, 0] = (np.pi, 0, 0)
        self.betas = np.zeros((2, 10), np.float32)
        self.translation = np.array([[0, 0, 4], [0.2, 0, 5]], np.float32)
        self.K = np.tile(np.array([300, 300, CROP_PX / 2, CROP_PX / 2], np.float32), (2, 1))
        posed = body.forward(self.pose, self.betas, self.translation)
        cloud = np.concatenate((body.coco(posed.vertices), posed.joints), 1)
        pixels = cloud[..., :2] / cloud[..., 2:] * 300 + CROP_PX / 2
        self.points = np.concatenate((pixels, np.ones((2, 41, 1))), -1).astype(np.float32)

    def image(self, row: int) -> np.ndarray:
        return np.zeros((CROP_PX, CROP_PX, 3), np.uint8)


class Source:
    def __init__(self) -> None:
        self.shard = Shard()

    def at(self, index: int) -> tuple[Shard, int]:
        return self.shard, index


def _estimates(shard: Shard, moved: float) -> list[BodyEstimate]:
    return [
        BodyEstimate(
            pose=shard.pose[k], betas=shard.betas[k],
            translation=shard.translation[k] + np.array([moved, 0, 0], np.float32),
            joints=np.zeros((24, 3), np.float32), points_px=shard.points[k], score=1.0, quality=float("nan"),
        )
        for k in range(2)
    ]  # fmt: skip


def test_agreement_counts_landmarks_within_reach():
    source, body = Source(), load_body()
    targets = source.shard.points[..., :2]
    assert agreement(_estimates(source.shard, 0.0), targets, source, body) == 1.0  # type: ignore[arg-type]
    assert agreement(_estimates(source.shard, 0.5), targets, source, body) == 0.0  # type: ignore[arg-type]
    # Half of the targets are elsewhere.
    targets = targets.copy()
    targets[0] += 500
    assert agreement(_estimates(source.shard, 0.0), targets, source, body) == 0.5  # type: ignore[arg-type]

"""From crops to evidence: run the trunk on squares of pictures and read its heads."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np

from engines.camera import Intrinsics
from engines.keypoints import PART_MIRROR, POINT_MIRROR
from engines.methods.grouping import part_people
from engines.methods.presence import Presence
from engines.runtime import Engine
from kernels.average_mirror import average_mirror
from kernels.crop_normalize import crop_batch, crop_to_source
from kernels.decode_heatmaps import decode_heatmaps
from kernels.launch.crop_pictures import AnyPicture

PRESENCE = "presence"
"""Among `Evidence.outputs`: (B,) 0 to 1, see `engines.methods.presence`."""
MIRROR_ORDERS = {"heatmaps": POINT_MIRROR, "depth": POINT_MIRROR, "parts": PART_MIRROR}
"""The trunk's outputs that change in a mirror, and what each channel is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CropRequest:
    """A square of a picture around one person, the side already padded."""

    image: AnyPicture
    """(H, W, 3) uint8 RGB; methods of the host copy what lies on a device."""
    center_px: np.ndarray
    """(2,) pixels."""
    side_px: float
    intrinsics: Intrinsics
    person: Hashable = None
    """Who it is from frame to frame, for methods that start from their last estimate; None: unknown."""
    doubted: bool = False
    """Nobody was seen here before: what the features say of it counts for the score (`engines.methods.presence`)."""
    alone: bool = False
    """The picture stands alone: no next one will mend what is misread in this one, so it is read more closely."""
    scales: tuple[float, ...] = ()
    """Squares so many times as large are read too, and the points averaged: as many more looks, and two at the face."""
    time_s: float = 0.0
    """When the picture was taken, on a clock of its own per person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the trunk sees in B crops."""

    points_px: np.ndarray
    """(B, 41, 3) float32: x, y in source pixels, confidence."""
    depth_m: np.ndarray
    """(B, 41) float32, relative to the pelvis along the ray of the crop's centre."""
    person: np.ndarray | None
    """(B, S/4, S/4) bool: the segmentation, any part of the person; None from a network that gives points alone."""
    features: np.ndarray | None
    """(B, C, S/8, S/8) float32; None likewise."""
    crops: np.ndarray
    """(B, S, S, 3) uint8, what the network saw."""
    outputs: dict[str, np.ndarray]
    """The network's outputs as they came; of the trunk: `heatmaps` (B, 41, S/4, S/4), `parts` (B, 16, S/4, S/4) and
    others."""

    def of(self, rows: list[int]) -> Evidence:
        """Of some of the crops alone; of the first ones, as they mostly are, without a copy."""
        kept = slice(len(rows)) if rows == list(range(len(rows))) else rows
        return Evidence(
            points_px=self.points_px[kept],
            depth_m=self.depth_m[kept],
            person=None if self.person is None else self.person[kept],
            features=None if self.features is None else self.features[kept],
            crops=self.crops[kept],
            outputs={name: values[kept] for name, values in self.outputs.items()},
        )


class EvidenceReader(Protocol):
    """A network that looks at crops, with what goes before and comes after it."""

    engine: Engine

    def crops(self, requests: list[CropRequest]) -> np.ndarray:
        """(B, S, S, 3) uint8."""

    def infer(self, crops: np.ndarray, *, closely: bool = False) -> dict[str, np.ndarray]:
        """Run the network on all crops; ``closely``: with more effort, where it can."""

    def read(self, outputs: dict[str, np.ndarray], crops: np.ndarray, requests: list[CropRequest]) -> Evidence:
        """What the outputs say, in source pixels, of each crop on its own."""

    def part(self, evidence: Evidence, requests: list[CropRequest]) -> Evidence:
        """The same, with limbs that several crops show given to one person, where it can tell."""


def cut_crops(requests: list[CropRequest], size_px: int) -> np.ndarray:
    """(B, S, S, 3) uint8 crops of the requests; requests of one picture are cut together."""
    crops = np.empty((len(requests), size_px, size_px, 3), np.uint8)
    for picture in {id(request.image): request.image for request in requests}.values():
        rows = [row for row, request in enumerate(requests) if request.image is picture]
        centers = np.stack([requests[row].center_px for row in rows])
        crops[rows] = crop_batch(
            np.asarray(picture), centers, np.array([requests[row].side_px for row in rows]), size_px
        )
    return crops


def read_trunk(outputs: dict[str, np.ndarray], crops: np.ndarray, requests: list[CropRequest]) -> Evidence:
    """Trunk outputs of the requests' crops (B, S, S, 3) -> evidence in source pixels."""
    size_px = crops.shape[1]
    points = decode_heatmaps(outputs["heatmaps"], size_px)
    centers = np.stack([request.center_px for request in requests])[:, None]
    sides = np.array([request.side_px for request in requests], np.float32)[:, None, None]
    points[..., :2] = crop_to_source(points[..., :2], centers, sides, size_px)
    parts = outputs["parts"]
    return Evidence(
        points_px=points,
        depth_m=outputs["depth"],
        person=parts[:, 1:].max(1) > parts[:, 0],
        features=outputs["features"],
        crops=crops,
        outputs=outputs,
    )


def averaged(looks: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Points (41, 3) in source pixels and depths (41,) of one person in several looks -> the same, averaged: places by
    the cube of their confidences, which leaves out looks that saw something else."""
    points, depths = (np.stack(values) for values in zip(*looks, strict=True))
    weights = np.maximum(points[..., 2], 1e-4) ** 3
    weights /= weights.sum(0)
    together = (points * weights[..., None]).sum(0)
    together[:, 2] = points[..., 2].mean(0)
    return together, (depths * weights).sum(0)


def with_mirror(crops: np.ndarray) -> np.ndarray:
    """(B, S, S, 3) -> (2 B, S, S, 3): the crops, then their mirror images."""
    both = np.empty((2 * len(crops), *crops.shape[1:]), crops.dtype)
    both[: len(crops)] = crops
    for crop, mirrored in zip(crops, both[len(crops) :], strict=True):
        cv2.flip(crop, 1, dst=mirrored)
    return both


def average_with_mirror(outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Outputs of B crops followed by their B mirror images -> outputs of the B crops, both views averaged.

    Left and right change places in the mirror; features are those of the crop itself. The outputs are used up.
    """
    count = len(outputs["depth"]) // 2
    averaged = {name: average_mirror(outputs[name], order) for name, order in MIRROR_ORDERS.items()}
    return {name: values[:count] for name, values in outputs.items()} | averaged


class TrunkReader:
    """The trunk as an engine, between crops and evidence.

    ``mirror``: look at the mirror image of each crop too and average (twice the time, about 0.01 OKS more accurate);
    None: where it is to read closely. ``presence``: who doubts that anybody is there; None: nobody.
    """

    def __init__(self, engine: Engine, *, mirror: bool | None, presence: Presence | None = None) -> None:
        self.engine = engine
        self._mirror, self._presence = mirror, presence
        size = engine.inputs[0].shape[1]
        assert size is not None
        self.size_px = size

    def crops(self, requests: list[CropRequest]) -> np.ndarray:
        """See `cut_crops`."""
        return cut_crops(requests, self.size_px)

    def infer(self, crops: np.ndarray, *, closely: bool = False) -> dict[str, np.ndarray]:
        """One engine call for all crops."""
        if not (closely if self._mirror is None else self._mirror):
            return self.engine({"crops": crops})
        return average_with_mirror(self.engine({"crops": with_mirror(crops)}))

    def read(self, outputs: dict[str, np.ndarray], crops: np.ndarray, requests: list[CropRequest]) -> Evidence:
        """See `read_trunk`."""
        if self._presence is not None and any(request.doubted for request in requests):
            outputs = outputs | {PRESENCE: self._presence(outputs["features"])}
        return read_trunk(outputs, crops, requests)

    def part(self, evidence: Evidence, requests: list[CropRequest]) -> Evidence:
        """See `engines.methods.grouping`."""
        if len(requests) < 2:
            return evidence
        centers = np.stack([request.center_px for request in requests])
        sides = np.array([request.side_px for request in requests])
        pictures = [id(request.image) for request in requests]
        points = part_people(evidence.points_px, evidence.outputs["heatmaps"], centers, sides, pictures)
        return evidence if points is evidence.points_px else replace(evidence, points_px=points)

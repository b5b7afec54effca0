"""python -m engines.training.factory.contact_sheet SHARD OUT.png: pictures of a shard with their labels drawn."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from engines.keypoints import COCO_EDGES, JOINT_NAMES, JOINT_PARENTS, NUM_COCO, PART_NAMES
from engines.training.factory.shards import CROP_PX, SynthShard, read_shard

_ZOOM = 2


def _side_colour(name: str) -> tuple[int, int, int]:
    """RGB: the person's left blue, right orange, middle green."""
    return (40, 110, 255) if "left" in name else (255, 140, 0) if "right" in name else (40, 220, 60)


def part_colours() -> np.ndarray:
    """(16, 3) uint8 RGB."""
    hue = (np.arange(len(PART_NAMES)) * 67 % 180).astype(np.uint8)
    hsv = np.stack([hue, np.full_like(hue, 200), np.full_like(hue, 255)], axis=-1)[None]
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0] * (np.arange(len(PART_NAMES)) > 0)[:, None].astype(np.uint8)


def draw_sample(shard: SynthShard, index: int) -> np.ndarray:
    """The picture beside itself with skeleton, landmarks and part classes: (448, 896, 3) uint8 RGB."""
    size = CROP_PX * _ZOOM
    image = cv2.resize(shard.image(index), (size, size), interpolation=cv2.INTER_LINEAR)
    parts = cv2.resize(shard.parts(index), (size, size), interpolation=cv2.INTER_NEAREST)
    others = cv2.resize(shard.others(index), (size, size), interpolation=cv2.INTER_NEAREST)
    drawn = np.where((parts > 0)[..., None], image // 2 + part_colours()[parts] // 2, image)
    drawn = np.where((others > 0)[..., None], drawn // 2 + np.array([120, 0, 0], np.uint8), drawn)
    drawn = np.ascontiguousarray(drawn)
    points = shard.points[index]
    pixels = (points[:, :2] * _ZOOM - 0.5).round().astype(int)
    joints = pixels[NUM_COCO:]
    for joint, parent in enumerate(JOINT_PARENTS):
        if parent >= 0:
            colour = _side_colour(JOINT_NAMES[joint])
            cv2.line(drawn, joints[joint].tolist(), joints[parent].tolist(), colour, 2, cv2.LINE_AA)
    for a, b in COCO_EDGES:
        cv2.line(drawn, pixels[a].tolist(), pixels[b].tolist(), (255, 255, 255), 1, cv2.LINE_AA)
    for (x, y), visible in zip(pixels.tolist(), points[:, 2], strict=True):
        cv2.circle(drawn, (x, y), 4, (0, 255, 0) if visible == 1 else (255, 0, 0) if visible else (128, 128, 128), -1)
    x0, y0, x1, y1 = (shard.box[index] * _ZOOM).astype(int).tolist()
    cv2.rectangle(drawn, (x0, y0), (x1, y1), (255, 255, 0), 1)
    return np.concatenate([image, drawn], axis=1)


def contact_sheet(shard: SynthShard, first: int = 0, columns: int = 4, rows: int = 6) -> np.ndarray:
    """Samples first, first + 1, ... of a shard in a grid, RGB."""
    cells = [draw_sample(shard, index) for index in range(first, min(first + columns * rows, len(shard)))]
    cells += [np.zeros_like(cells[0])] * (-len(cells) % columns)
    return np.concatenate([np.concatenate(cells[k : k + columns], axis=1) for k in range(0, len(cells), columns)])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m engines.training.factory.contact_sheet", description=__doc__)
    parser.add_argument("shard", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--columns", type=int, default=4)
    parser.add_argument("--rows", type=int, default=6)
    args = parser.parse_args()
    sheet = contact_sheet(read_shard(args.shard), args.first, args.columns, args.rows)
    cv2.imwrite(str(args.out), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()

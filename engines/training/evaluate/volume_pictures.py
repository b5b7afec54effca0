"""Look at what `bodynet` sees: ``python -m engines.training.evaluate.volume_pictures --out SHEET.png [--synthetic DIR]
[--clip FILE ...]``.

One row per person: the crop; its volume's surface from the front and from the side; the fitted body over the crop and
from the side; and the default method's body likewise, where that started from.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

from engines.body import BodyModel, load_body
from engines.camera import Intrinsics
from engines.locator import Locator
from engines.methods import WEIGHTS, CropRequest, create_method
from engines.methods.evidence import cut_crops
from engines.runtime import load_engine
from engines.training.factory.cropview import NETWORK_PADDING, STORED_PADDING
from engines.training.synthetic_source import SyntheticSource
from kernels.raster import raster

SIZE_PX = 200


def synthetic_requests(folder: Path, rows: list[int]) -> list[CropRequest]:
    """Crops of the validation shards."""
    source, found = SyntheticSource(folder, "val"), []
    for index in rows:
        shard, row = source.at(index)
        image = shard.image(row)
        fx, fy, cx, cy = (float(value) for value in shard.K[row])
        side = image.shape[0]
        center = np.full(2, side / 2)
        camera = Intrinsics(fx=fx, fy=fy, cx=cx, cy=cy)
        found.append(CropRequest(image=image, center_px=center, side_px=side / STORED_PADDING, intrinsics=camera))
    return found


def clip_requests(clip: Path, frames: int) -> list[CropRequest]:
    """The likeliest person of so many frames, evenly spread."""
    video = cv2.VideoCapture(str(clip))
    total = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    found = []
    with load_engine(WEIGHTS / "locator-small.onnx", "openvino") as engine:
        size = engine.inputs[0].shape[1]
        assert size is not None
        locator = Locator(engine, size)
        for index in np.linspace(0, total - 1, frames + 2).astype(int)[1:-1]:
            video.set(cv2.CAP_PROP_POS_FRAMES, int(index))
            read, picture = video.read()
            if not read:
                continue
            picture = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
            boxes = locator.detect(picture)
            if not len(boxes):
                continue
            x0, y0, x1, y1 = boxes[0, :4]
            camera = Intrinsics.from_fov(picture.shape[1], picture.shape[0], assumed=True)
            center, side = np.array([x0 + x1, y0 + y1]) / 2, NETWORK_PADDING * float(max(x1 - x0, y1 - y0))
            found.append(CropRequest(image=picture, center_px=center, side_px=side, intrinsics=camera))
    return found


def shaded(vertices: np.ndarray, faces: np.ndarray, request: CropRequest, under: np.ndarray | None) -> np.ndarray:
    """A mesh in the crop's view, lit from the camera, over a picture of `SIZE_PX` or on grey."""
    scale = SIZE_PX / request.side_px
    camera, corner = request.intrinsics, request.center_px - request.side_px / 2
    view = (camera.fx, camera.fy, camera.cx - corner[0], camera.cy - corner[1])
    drawn = raster(vertices[None].astype(np.float32), faces, scale * np.array([view]), (SIZE_PX, SIZE_PX))
    light = np.clip(0.25 - 0.75 * drawn.normals[0, ..., 2:], 0, 1) * (235, 200, 170)
    picture = np.full((SIZE_PX, SIZE_PX, 3), 60.0) if under is None else under.astype(np.float64)
    there = drawn.silhouette[0, ..., None] > 0
    return np.where(there, light if under is None else 0.25 * picture + 0.75 * light, picture).astype(np.uint8)


def from_side(vertices: np.ndarray, root: np.ndarray) -> np.ndarray:
    """Turned by a quarter about the upright axis through the root: seen from the person's right, if they face us."""
    x, y, z = (vertices - root).T
    return np.stack((z, y, -x), 1) + root


def row_of(request: CropRequest, body: BodyModel, found: list) -> np.ndarray:
    """Pictures of one person; ``found``: the estimates of `bodynet` and of the default method."""
    crop = cut_crops([request], SIZE_PX)[0]
    tiles = [crop]
    blank = np.full_like(crop, 60)
    for estimate in found:
        root = estimate.translation.astype(np.float64)
        meshes: list[tuple[np.ndarray, np.ndarray] | None] = []
        if estimate is found[0]:
            surface = estimate.surface
            meshes.append(None if surface is None else (surface.vertices, surface.faces))
        posed = body.forward(estimate.pose, estimate.betas, estimate.translation)
        meshes.append((posed.vertices[0], body.faces[0]))
        for mesh in meshes:
            if mesh is None:
                tiles += [blank, blank]
                continue
            vertices, faces = mesh
            over = crop if faces is body.faces[0] else None
            tiles += [shaded(vertices, faces, request, over), shaded(from_side(vertices, root), faces, request, None)]
    return np.concatenate(tiles, 1)


def main(argv: list[str] | None = None) -> int:
    """Command line; see --help."""
    parser = argparse.ArgumentParser(prog="python -m engines.training.evaluate.volume_pictures", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--synthetic", type=Path, help="folder of factory shards")
    parser.add_argument("--people", type=int, default=5, help="of the shards, and per clip")
    parser.add_argument("--clip", type=Path, nargs="*", default=[])
    args = parser.parse_args(argv)
    requests = synthetic_requests(args.synthetic, list(range(args.people))) if args.synthetic else []
    for clip in args.clip:
        requests += clip_requests(clip, args.people)
    body = load_body()
    names = ("bodynet", "bilayer")
    methods = [create_method(name, body=body, runtime="openvino", surfaces=name == "bodynet") for name in names]
    rows = []
    for request in requests:
        found = [method.estimate([request], {})[0] for method in methods]
        print("  ".join(f"{n} IoU {f.silhouette_iou:.2f}" for n, f in zip(names, found, strict=True)), flush=True)
        rows.append(row_of(request, body, found))
    for method in methods:
        method.close()
    cv2.imwrite(str(args.out), np.concatenate(rows)[..., ::-1])
    return 0


if __name__ == "__main__":
    sys.exit(main())

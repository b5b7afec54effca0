"""Bodies fitted to labelled photographs: pseudo ground truth for pose and shape.

    python -m engines.training.fits --shared FOLDER --cache FOLDER --out FITS.npz [--split train] [--sheet SHEET.jpg]

The implementation is that of the live method (`engines.fitting`). Each person is fitted twice, from nothing and from
what `bilayer` makes of the same 17 points, and the fit of less energy stays: fit and network improve each other, as in
SPIN (Kolotouros et al., "Learning to Reconstruct 3D Human Pose and Shape via Model-fitting in the Loop", ICCV 2019).
A fit is kept where it lies on its points, holds itself as people do, and fills the person's mask where there is one.
The camera is assumed; it looks at the middle of the crop.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields
from pathlib import Path

import cv2
import numpy as np

from engines.body import BodyModel, load_body
from engines.camera import Intrinsics
from engines.fitting.attached_points import NUM_TURNS, Figures
from engines.fitting.image_evidence import ImageEvidence
from engines.fitting.objective import Objective
from engines.fitting.pose_prior import PosePrior, vectors_of
from engines.fitting.staged_fit import StagedFit
from engines.methods.bilayer import BilayerLifter, open_lifter
from engines.training.photos.person_crops import MASK_SIZE_PX, STORED_MARGIN, STORED_SIZE_PX, PersonCrops, load_crops
from kernels.raster import raster
from kernels.silhouette import silhouette_iou

PHOTO_PX = 512
"""Long side of most photographs: with the field of view it gives the focal length that is assumed."""
MIN_POINTS = 8
MAX_ERROR = 0.045
"""Mean distance of the labelled points over the long side of the person's box."""
MAX_WORST = 0.12
MAX_POSE_ENERGY = 60.0
"""Of the pose prior; 95 % of held-out motion capture lie below 53."""
MIN_IOU = 0.65
LEVER_M = 0.08
WARM_ROUNDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Fits:
    """N people of a split's `PersonCrops`."""

    row: np.ndarray
    """(N,) int32 index among the crops."""
    pose: np.ndarray
    """(N, 24, 3) float32 rotation vectors in the camera of the crop."""
    betas: np.ndarray
    """(N, 10) float32"""
    translation: np.ndarray
    """(N, 3) float32 metres."""
    focal_px: np.ndarray
    """(N,) float32 of the stored crop; its middle is the principal point."""
    error: np.ndarray
    """(N,) float32 mean distance of the labelled points over the long side of the box."""
    worst: np.ndarray
    """(N,) float32 of the same the largest."""
    pose_energy: np.ndarray
    """(N,) float32"""
    iou: np.ndarray
    """(N,) float32 with the mask; NaN without one."""
    spoken_for: np.ndarray
    """(N, 20) bool, per joint of `FREE_JOINTS`: it moves a labelled point. The other rotations are the prior's."""
    network: np.ndarray
    """(N,) bool: the fit that started from the network was the better one."""

    @property
    def kept(self) -> np.ndarray:
        """(N,) bool: good enough to learn from. People without a mask must stand the other tests alone."""
        agrees = np.isnan(self.iou) | (self.iou >= MIN_IOU)
        near = (self.error <= MAX_ERROR) & (self.worst <= MAX_WORST)
        return agrees & near & (self.pose_energy <= MAX_POSE_ENERGY)


def fit_people(
    crops: PersonCrops, rows: np.ndarray, body: BodyModel, lifter: BilayerLifter, fit: StagedFit, prior: PosePrior
) -> Fits:
    """Fit some of the people together."""
    points = crops.points[rows].astype(np.float64)
    focal = Intrinsics.from_fov(PHOTO_PX, PHOTO_PX).fx * crops.scale[rows].astype(np.float64)
    middle = STORED_SIZE_PX / 2
    cameras = [Intrinsics(fx=f, fy=f, cx=middle, cy=middle, assumed=True) for f in focal]
    centers = np.full((len(rows), 2), middle)
    evidence = ImageEvidence.of(points, None, cameras, centers, fit.objective.noise.confidence_power)
    cold = fit.cold(evidence)
    sides = np.full(len(rows), STORED_SIZE_PX / STORED_MARGIN)
    guess = lifter.lift(points.astype(np.float32), None, cameras, centers, sides)
    warm = fit.warm(Figures.of(guess.pose, guess.betas, guess.translation), evidence, WARM_ROUNDS)
    network = warm.energy < cold.energy
    figures = warm.where(network, cold).figures
    places = fit.objective.points.places(figures, fit.objective.skeleton.pose(figures))[:, : points.shape[1]]
    shown = np.stack([camera.project(place) for camera, place in zip(cameras, places, strict=True)])
    labelled = points[..., 2] > 0
    apart = np.linalg.norm(shown - points[..., :2], axis=-1) / crops.box_px[rows].max(1)[:, None] * labelled
    silhouettes = _silhouettes(body, figures, cameras, MASK_SIZE_PX / STORED_SIZE_PX)
    return Fits(
        row=rows.astype(np.int32),
        pose=vectors_of(figures).astype(np.float32),
        betas=figures.betas.astype(np.float32),
        translation=figures.translation.astype(np.float32),
        focal_px=focal.astype(np.float32),
        error=(apart.sum(1) / labelled.sum(1)).astype(np.float32),
        worst=apart.max(1).astype(np.float32),
        pose_energy=(prior.residuals(vectors_of(figures))[0] ** 2).sum(1).astype(np.float32),
        iou=np.array([_iou(s, crops.masks[row]) for s, row in zip(silhouettes, rows, strict=True)], np.float32),
        spoken_for=_moved_points(fit.objective, figures, labelled),
        network=network,
    )


def _moved_points(objective: Objective, figures: Figures, labelled: np.ndarray) -> np.ndarray:
    """(B, 20) bool: a labelled point (B, 17) lies at least `LEVER_M` away from the joint that turns it."""
    _, moves = objective.points.moves(figures, objective.skeleton.pose(figures), shape=False)
    by_joint = moves[:, : labelled.shape[1], :, :NUM_TURNS].reshape(*labelled.shape, 3, -1, 3)
    # A turn about an axis across the lever moves the point by the lever's length; the other axis doubles the squares.
    lever = np.sqrt((by_joint**2).sum((2, 4)) / 2)
    out: np.ndarray = (lever * labelled[..., None]).max(1) > LEVER_M
    return out


def _silhouettes(body: BodyModel, figures: Figures, cameras: list[Intrinsics], zoom: float) -> np.ndarray:
    """(B, 96, 96) bool"""
    vertices = body.forward(vectors_of(figures), figures.betas, figures.translation, level=1).vertices
    views = np.array([(c.fx, c.fy, c.cx, c.cy) for c in cameras], np.float32) * np.float32(zoom)
    return raster(vertices, body.faces[1], views, (MASK_SIZE_PX, MASK_SIZE_PX)).silhouette.astype(bool)


def _iou(silhouette: np.ndarray, mask: np.ndarray) -> float:
    """Where the mask is known; NaN where nothing of it is."""
    known = mask != 255
    return silhouette_iou(silhouette & known, (mask == 1) & known) if (mask == 1).any() else float("nan")


def draw_sheet(crops: PersonCrops, fits: Fits, body: BodyModel, columns: int = 8, people: int = 48) -> np.ndarray:
    """RGB: crops with their bodies beside them; a green frame around those that are kept, red around the others."""
    cells = []
    size = STORED_SIZE_PX // 2
    for k in range(min(people, len(fits.row))):
        vertices = body.forward(fits.pose[k : k + 1], fits.betas[k : k + 1], fits.translation[k : k + 1], 1).vertices
        view = np.array([[fits.focal_px[k], fits.focal_px[k], size, size]], np.float32)
        picture = raster(vertices, body.faces[1], view, (STORED_SIZE_PX, STORED_SIZE_PX))
        light = np.clip(-picture.normals[0, ..., 2:] * 0.7 + 0.3, 0, 1) * np.array((150, 200, 255))
        image = np.array(crops.images[fits.row[k]])
        drawn = np.where(picture.silhouette[0][..., None] > 0, 0.25 * image + 0.75 * light, image).astype(np.uint8)
        pair = np.concatenate([image, drawn], 1)[::2, ::2].copy()
        colour = (40, 200, 60) if fits.kept[k] else (220, 40, 40)
        cv2.rectangle(pair, (0, 0), (pair.shape[1] - 1, pair.shape[0] - 1), colour, 3)
        cells.append(pair)
    cells += [np.zeros_like(cells[0])] * (-len(cells) % (columns // 2))
    return np.concatenate([np.concatenate(cells[k : k + columns // 2], 1) for k in range(0, len(cells), columns // 2)])


def main(argv: list[str] | None = None) -> int:
    """Command line; see --help."""
    parser = argparse.ArgumentParser(
        prog="python -m engines.training.fits",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--shared", type=Path, required=True, help="folder with data/coco_people and data/people")
    parser.add_argument("--cache", type=Path, required=True, help="where cut crops are kept")
    parser.add_argument("--split", choices=("train", "val"), default="train")
    parser.add_argument("--out", type=Path, required=True, help=".npz of the fits that are kept")
    parser.add_argument("--limit", type=int, help="so many people, drawn at random")
    parser.add_argument("--sheet", type=Path, help="picture of some fits, kept or not")
    parser.add_argument("--batch", type=int, default=32)
    args = parser.parse_args(argv)
    body, prior = load_body(), PosePrior.load()
    lifter = open_lifter(body, runtime="openvino", precision="f32", preset="small", threads=1, consistent=False)
    fit = StagedFit(body, Objective(body, prior=prior))
    crops = load_crops(args.cache, args.shared, args.split)
    enough = np.flatnonzero((crops.points[..., 2] > 0).sum(1) >= MIN_POINTS)
    rows = np.random.default_rng(0).permutation(enough)[: args.limit]
    parts = []
    for start in range(0, len(rows), args.batch):
        parts.append(fit_people(crops, rows[start : start + args.batch], body, lifter, fit, prior))
        if start // args.batch % 10 == 9:
            print(f"{start + len(parts[-1].row)} of {len(rows)}", flush=True)
    fits = Fits(**{f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Fits)})
    kept = fits.kept
    np.savez_compressed(args.out, split=args.split, **{f.name: getattr(fits, f.name)[kept] for f in fields(Fits)})
    masked = np.isfinite(fits.iou)
    print(
        f"kept {kept.sum()} of {len(kept)} ({kept.mean():.0%}); with a mask {kept[masked].sum()} of {masked.sum()}; "
        f"from the network {fits.network.mean():.0%}; error median {np.median(fits.error):.3f} of the box, "
        f"IoU median {np.nanmedian(fits.iou):.2f}"
    )
    if args.sheet:
        cv2.imwrite(str(args.sheet), draw_sheet(crops, fits, body)[..., ::-1])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Learn to tell people from what looks like them: ``python -m engines.training presence``.

The locator looks at photographs, the trunk at its candidates, both as they ship; a logistic regression over the score
of the trunk's points, that of the locator and the trunk's features tells right candidates from false ones. What the
features say beside both scores is kept (`engines.methods.presence`). Minutes on one core, and no gradient of the trunk.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from scipy.optimize import minimize
from scipy.stats import mannwhitneyu
from tqdm import tqdm

from engines.camera import Intrinsics
from engines.locator import Locator
from engines.methods import WEIGHTS
from engines.methods.evidence import CropRequest, cut_crops
from engines.methods.presence import Presence, channel_summaries
from engines.methods.trunk_method import sightings
from engines.runtime import Engine, load_engine
from engines.runtime.fingerprint import fingerprint
from engines.training.candidates import labelled_candidates
from engines.training.locator_batches import Photo, load_photos
from kernels.decode_heatmaps import decode_heatmaps

PADDINGS = (1.12, 1.25)
"""Sides of squares over the long sides of boxes: as people who are followed are cut out, and newcomers."""
SHIFT = 0.05
"""Standard deviation of the squares' middles, of their sides."""
LEAST_LOCATOR = 0.15
"""Candidates from this score of the locator on."""
UNHARMED = 0.85
"""Share of the people whose scores stay as they are."""
STRENGTH = 1.5
"""Of what the regression says. Of the pairs of validation squares 91.7 % are told apart without it, 93.8, 94.7, 95.0,
95.1 % at 0.5, 1, 1.5 and 2, while people's mean factor falls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Squares:
    """N squares of photographs, as the networks see them."""

    estimate: np.ndarray
    """(N,) scores of the points."""
    locator: np.ndarray
    """(N,) scores of the locator."""
    summaries: np.ndarray
    """(N, 2 C), see `channel_summaries`."""
    person: np.ndarray
    """(N,) bool."""


def see(trunk: Engine, locator: Locator, photos: Sequence[Photo], rng: np.random.Generator) -> Squares:
    """Look at the candidates on all photographs, once per padding."""
    size_px = trunk.inputs[0].shape[1]
    assert size_px is not None
    columns: list[tuple[np.ndarray, ...]] = []
    for photo in tqdm(photos, desc="photographs", mininterval=10):
        found, person = labelled_candidates(locator.detect, photo)
        if not len(found):
            continue
        camera = Intrinsics.from_fov(photo.image.shape[1], photo.image.shape[0])
        for padding in PADDINGS:
            sides = padding * (found[:, 2:4] - found[:, :2]).max(1)
            centers = (found[:, :2] + found[:, 2:4]) / 2 + SHIFT * sides[:, None] * rng.standard_normal((len(found), 2))
            requests = [
                CropRequest(image=photo.image, center_px=center, side_px=side, intrinsics=camera)
                for center, side in zip(centers, sides, strict=True)
            ]
            outputs = trunk({"crops": cut_crops(requests, size_px)})
            scores = [one.score for one in sightings(decode_heatmaps(outputs["heatmaps"], size_px))]
            columns.append((np.array(scores), found[:, 4], channel_summaries(outputs["features"]), person >= 0))
    if not columns:
        raise ValueError(f"the locator sees nobody on {len(photos)} photographs; give others")
    estimate, boxes, summaries, right = (np.concatenate(column) for column in zip(*columns, strict=True))
    return Squares(estimate=estimate, locator=boxes, summaries=summaries, person=right)


def fit(squares: Squares, ridge: float) -> Presence:
    """The regression; ``ridge``: penalty on the squares of weights of standardised summaries.

    First a logit a e + b l + c of the logarithms of both scores alone, then w x of the summaries beside it, so that a
    stays what the score is worth where summaries know all of it too. In the score's own logarithm x says w x / a, less
    what it says of the people at the quantile `UNHARMED`, and `STRENGTH` of it.
    """
    truth = squares.person.astype(float)
    if not 0 < truth.sum() < len(truth):
        raise ValueError(f"{int(truth.sum())} of {len(truth)} squares show people; both kinds are needed")
    middle, spread = squares.summaries.mean(0), squares.summaries.std(0) + 1e-3
    scores = np.column_stack([np.log(np.maximum(squares.estimate, 1e-3)), np.log(squares.locator), np.ones(len(truth))])
    by_scores = _logistic(scores, truth, np.zeros(len(truth)), 0.0)
    beside = _logistic((squares.summaries - middle) / spread, truth, scores @ by_scores, ridge)
    said = STRENGTH * beside / by_scores[0] / spread
    offset = np.quantile(squares.summaries[squares.person] @ said, 1 - UNHARMED)
    return Presence(weight=said.astype(np.float32), bias=-float(offset))


def _logistic(known: np.ndarray, truth: np.ndarray, offset: np.ndarray, ridge: float) -> np.ndarray:
    """Weights w (T,) of known (N, T): the logit of truth (N,) 0 or 1 is offset (N,) + known w."""

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        logit = offset + known @ weights
        value = (np.logaddexp(0, logit) - truth * logit).mean() + 0.5 * ridge * weights @ weights
        wrong = 1 / (1 + np.exp(-logit)) - truth
        return value, known.T @ wrong / len(truth) + ridge * weights

    found: np.ndarray = minimize(loss, np.zeros(known.shape[1]), jac=True, method="L-BFGS-B").x
    return found


def told_apart(squares: Squares, scores: np.ndarray) -> float:
    """Share of pairs of a person and a square without one in which the person has the higher of ``scores`` (N,)."""
    people, others = scores[squares.person], scores[~squares.person]
    return float(mannwhitneyu(people, others).statistic / (len(people) * len(others)))


def main(argv: list[str]) -> int:
    """Command line; see --help."""
    parser = argparse.ArgumentParser(prog="python -m engines.training presence", description=__doc__.split("\n\n")[0])
    parser.add_argument("--preset", default="small")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--photos", type=int, default=5000, help="so many photographs at most, drawn at random")
    parser.add_argument("--ridge", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="folder for presence-PRESET.npz")
    arguments = parser.parse_args(argv)

    cv2.setNumThreads(1)
    rng = np.random.default_rng(arguments.seed)
    network = WEIGHTS / f"trunk-{arguments.preset}.onnx"
    with (
        load_engine(network, "openvino") as trunk,
        load_engine(WEIGHTS / "locator-small.onnx", "openvino") as located,
    ):
        size_px = located.inputs[0].shape[1]
        assert size_px is not None
        locator = Locator(located, size_px, min_score=LEAST_LOCATOR)
        train, val = (load_photos(arguments.shared, split) for split in ("train", "val"))
        drawn = [train[index] for index in rng.permutation(len(train))[: arguments.photos]]
        learned, judged = see(trunk, locator, drawn, rng), see(trunk, locator, val, rng)
    presence = replace(fit(learned, arguments.ridge), trunk=fingerprint(network))
    for name, squares in (("train", learned), ("val", judged)):
        factor = presence.of_summaries(squares.summaries)
        before, after = told_apart(squares, squares.estimate), told_apart(squares, squares.estimate * factor)
        means = [factor[squares.person].mean(), factor[~squares.person].mean()]
        print(f"{name}: {squares.person.sum()} squares of people, {(~squares.person).sum()} of none; told apart by the")
        print(f"  score {before:.1%} -> {after:.1%}; mean factor {means[0]:.2f} and {means[1]:.2f}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    presence.save(arguments.out / f"presence-{arguments.preset}.npz")
    return 0

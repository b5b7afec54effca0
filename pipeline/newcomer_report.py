"""How many people a limit on the score of newcomers lets in, on photographs whose people are known.

Run `python -m pipeline.newcomer_report --shared ../shared`.
Every candidate of the locator is cut out and estimated as newcomers of a video are; which of them are right, false or
not counted `engines.training.candidates` tells.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engines.body import load_body
from engines.camera import Intrinsics
from engines.locator import Locator
from engines.methods import WEIGHTS, CropRequest, Method, create_method
from engines.runtime import load_engine
from engines.training.candidates import labelled_candidates, large
from engines.training.locator_batches import Photo, load_photos
from pipeline.person_box import crop_square
from pipeline.person_score import NEW, person_score
from pipeline.tracker_settings import TrackerSettings

FALSE_ALARMS = (0.02, 0.05, 0.1, 0.2, 0.5)
"""False ones a picture at which scores are compared."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """N candidates of the locator on all photographs."""

    locator: np.ndarray
    """(N,) its scores."""
    estimate: np.ndarray
    """(N,) scores of the bodies estimated there."""
    person: np.ndarray
    """(N,) number of the person who stands there, -1 nobody."""
    people: int
    """How many there are to find."""
    photos: int


def candidates(method: Method, locator: Locator, photos: list[Photo]) -> Candidates:
    """Look at all ``photos``."""
    rows: list[tuple[float, float, int]] = []
    people = 0
    for photo in photos:
        height, width = photo.image.shape[:2]
        camera = Intrinsics.from_fov(width, height)
        found, persons = labelled_candidates(locator.detect, photo)
        requests = [
            CropRequest(image=photo.image, center_px=center, side_px=side, intrinsics=camera, doubted=True)
            for center, side in map(crop_square, found)
        ]
        estimates = method.estimate(requests, {}) if requests else []
        for one, estimate, person in zip(found, estimates, persons.tolist(), strict=True):
            rows.append((float(one[4]), estimate.score, person if person < 0 else people + person))
        people += int(large(photo).sum())
    locator_scores, scores, numbers = (np.array(column) for column in zip(*rows, strict=True))
    return Candidates(locator_scores, scores, numbers, people, len(photos))


def found_above(scores: np.ndarray, of: Candidates, limit: float) -> tuple[float, float]:
    """Share of the people who are found, and false ones a picture, where ``limit`` is the least score."""
    kept = scores >= limit
    found = np.unique(of.person[kept & (of.person >= 0)])
    return len(found) / of.people, float((kept & (of.person < 0)).sum()) / of.photos


def limit_for(scores: np.ndarray, of: Candidates, false_alarms: float) -> float:
    """The lowest limit with at most so many false ones a picture."""
    wrong = np.sort(scores[of.person < 0])[::-1]
    allowed = int(false_alarms * of.photos)
    return float(np.nextafter(wrong[allowed], 2)) if allowed < len(wrong) else 0.0


def main(argv: list[str] | None = None) -> int:
    """Command line; see --help."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.newcomer_report", description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    args = parser.parse_args(argv)
    engine = load_engine(WEIGHTS / "locator-small.onnx", "openvino", "int8")
    size = engine.inputs[0].shape[1]
    assert size is not None
    locator = Locator(engine, size, min_score=TrackerSettings().min_detection_score)
    method = create_method("bilayer", body=load_body(), runtime="openvino", precision="int8")
    of = candidates(method, locator, load_photos(args.shared, "val"))
    method.close()
    together = np.array([person_score(*pair) for pair in zip(of.estimate, of.locator, strict=True)])
    print(f"{of.people} people on {of.photos} photographs; people found (and the limit) at false ones a picture:")
    for name, scores in (("locator", of.locator), ("estimate", of.estimate), ("person_score", together)):
        cells = []
        for false_alarms in FALSE_ALARMS:
            limit = limit_for(scores, of, false_alarms)
            cells.append(f"{false_alarms:g}: {found_above(scores, of, limit)[0]:.1%} ({limit:.2f})")
        print(f"{name:>12}  {'  '.join(cells)}")
    share, wrong = found_above(together, of, NEW)
    print(f"at the limit in use, {NEW:g}: {share:.1%} found, {wrong:.2f} false ones a picture")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

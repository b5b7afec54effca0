"""Learn how wrong bodies of a kind are: ``python -m engines.training quality --synthetic SHARDS``.

The program's own `bilayer` estimates rendered people, best of shards that no trunk was trained on; a ridge regression
of the logarithms of their errors on poses and confidences (`engines.methods.expected_error`) is what ships. Minutes on
one core.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr
from tqdm import tqdm

from engines.body import BodyModel, load_body
from engines.methods import WEIGHTS, Method, create_method
from engines.methods.expected_error import LEAST_M, ExpectedError, traits
from engines.training.evaluate.bodies import body_errors, estimate_in_batches
from engines.training.evaluate.synthetic import request_of
from engines.training.synthetic_source import SyntheticSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """N people with most of their joints in view."""

    traits: np.ndarray
    """(N, T) of `expected_error.traits`."""
    errors_m: np.ndarray
    """(N,)"""


def see(method: Method, source: SyntheticSource, body: BodyModel) -> Examples:
    """Estimate everybody."""
    people = tqdm(range(len(source)), desc="rendered people", mininterval=10)
    estimates = estimate_in_batches(method, (request_of(source, index) for index in people))
    errors = body_errors(estimates, source, body)
    known = traits(np.stack([one.pose for one in estimates]), np.stack([one.points_px[:, 2] for one in estimates]))
    return Examples(traits=known[errors.counted], errors_m=errors.pa_mpjpe[errors.counted] / 1000)


def fit(examples: Examples, ridge: float) -> ExpectedError:
    """Least squares of the errors' logarithms; ``ridge``: penalty on the squares of weights of standardised traits.

    Raises ValueError where there are fewer people than traits.
    """
    count, number = examples.traits.shape
    if count < number:
        raise ValueError(f"{count} people for {number} traits; give more shards")
    middle, spread = examples.traits.mean(0), examples.traits.std(0) + 1e-3
    known = (examples.traits - middle) / spread
    wanted = np.log(np.maximum(examples.errors_m, LEAST_M))
    square = known.T @ known / count + ridge * np.eye(number)
    weight = np.linalg.solve(square, known.T @ (wanted - wanted.mean()) / count) / spread
    return ExpectedError(weight=weight.astype(np.float32), bias=float(wanted.mean() - middle @ weight))


def main(argv: list[str]) -> int:
    """Command line; see --help."""
    parser = argparse.ArgumentParser(prog="python -m engines.training quality", description=__doc__.split("\n\n")[0])
    parser.add_argument("--synthetic", type=Path, required=True, help="folder of factory shards")
    parser.add_argument("--ridge", type=float, default=0.3)
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="folder for quality-small.npz")
    arguments = parser.parse_args(argv)
    body = load_body()
    method = create_method("bilayer", body=body, runtime="openvino", mirror=False)
    try:
        learned, judged = (see(method, SyntheticSource(arguments.synthetic, split), body) for split in ("train", "val"))
    finally:
        method.close()
    expected = fit(learned, arguments.ridge)
    for name, examples in (("train", learned), ("val", judged)):
        said = expected.of_traits(examples.traits)
        rank = spearmanr(said, examples.errors_m).statistic
        print(f"{name}: {len(said)} people, mean error {1000 * examples.errors_m.mean():.0f} mm, rank {rank:.3f}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    expected.save(arguments.out / "quality-small.npz")
    return 0

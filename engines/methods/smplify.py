"""`smplify`: the body is fitted to the trunk's points, after Keep it SMPL (ECCV 2016); no network of its own.

A person seen for the first time is fitted from nothing; afterwards each frame starts from the last one's body. Every
`RETRY_S` seconds of a person's own clock the fit from nothing runs beside it and wins where its energy is lower, so
that a fit that took a wrong turn does not keep it. See docs/methods/smplify.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engines.body import BodyModel
from engines.fitting.attached_points import Figures
from engines.fitting.image_evidence import ImageEvidence
from engines.fitting.pose_prior import vectors_of
from engines.fitting.staged_fit import Fit, StagedFit
from engines.methods.bodies import Bodies
from engines.methods.evidence import CropRequest, Evidence
from engines.methods.recent_people import RecentPeople
from engines.runtime import Engine
from engines.runtime.engine import Precision, Runtime

RETRY_S = 1.0
STALE_S = 0.5
"""A person who was away for longer is fitted from nothing: the old body says little by now."""
BETTER = 0.9
"""The fit from nothing must have less than this share of the energy: else bodies would jump for nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """The last fit of a person."""

    figures: Figures
    """One row."""
    time_s: float
    tried_s: float
    """When a fit from nothing ran last."""


class SmplifyLifter:
    """See `engines.methods.trunk_method.Lifter`."""

    def __init__(self, body: BodyModel, fit: StagedFit | None = None) -> None:
        self.engines: Sequence[Engine] = ()
        self._body, self._fit = body, fit or StagedFit(body)
        self._people = RecentPeople[Remembered]()

    def __call__(self, evidence: Evidence, requests: list[CropRequest]) -> Bodies:
        """See `engines.methods.trunk_method.Lifter`."""
        seen = ImageEvidence.of(
            evidence.points_px,
            evidence.depth_m,
            [request.intrinsics for request in requests],
            np.stack([request.center_px for request in requests]),
            self._fit.objective.noise.confidence_power,
        )
        last = [self._last(request) for request in requests]
        cold = np.array([m is None or r.time_s - m.tried_s > RETRY_S for m, r in zip(last, requests, strict=True)])
        gap_s = np.array([0.0 if m is None else r.time_s - m.time_s for m, r in zip(last, requests, strict=True)])
        fit = self._fits(seen, last, cold, gap_s)
        self._remember(requests, fit, last, cold)
        return Bodies.of(self._body, vectors_of(fit.figures), fit.figures.betas, fit.figures.translation)

    def _last(self, request: CropRequest) -> Remembered | None:
        memory = None if request.person is None else self._people.get(request.person)
        # A clock that runs backwards is another recording.
        return memory if memory is not None and 0 <= request.time_s - memory.time_s <= STALE_S else None

    def _fits(self, seen: ImageEvidence, last: list[Remembered | None], cold: np.ndarray, gap_s: np.ndarray) -> Fit:
        count = len(last)
        fit = Fit(
            figures=Figures.of(np.zeros((count, 24, 3)), np.zeros((count, self._body.num_betas)), np.zeros((count, 3))),
            energy=np.full(count, np.inf),
        )
        warm = np.flatnonzero([memory is not None for memory in last])
        if len(warm):
            start = Figures.joined([memory.figures for memory in last if memory is not None])
            fit = fit.put(warm, self._fit.warm(start, seen.rows(warm), gap_s=gap_s[warm]))
        fresh = np.flatnonzero(cold)
        if len(fresh):
            held = fit.rows(fresh)
            # Who has a body already is tried the quick way: half a dozen frames' time, not two dozen.
            other = self._fit.cold(seen.rows(fresh), thorough=not np.isfinite(held.energy).all())
            fit = fit.put(fresh, other.where(~(other.energy >= BETTER * held.energy), held))
        return fit

    def _remember(self, requests: list[CropRequest], fit: Fit, last: list[Remembered | None], cold: np.ndarray) -> None:
        for row, request in enumerate(requests):
            if request.person is None:
                continue
            memory = last[row]
            tried = request.time_s if cold[row] or memory is None else memory.tried_s
            figures = fit.figures.rows(np.array([row]))
            if np.isfinite(fit.energy[row]):
                self._people.put(request.person, Remembered(figures=figures, time_s=request.time_s, tried_s=tried))
            else:
                self._people.forget(request.person)


def open_lifter(body: BodyModel, *, runtime: Runtime, precision: Precision, preset: str, threads: int) -> SmplifyLifter:
    """Nothing to load: the arguments of other methods' networks are not used."""
    return SmplifyLifter(body)

"""Whether anybody is in a square at all, by the trunk's feature maps.

A trunk that learned from squares with a person in the middle finds one in every square: a facade has shoulders, a bush
has knees, and their heatmaps are sharp. What its features know of people is lost on the way to the points. Here the
mean and the maximum of each channel are weighed by a logistic regression over the locator's candidates on photographs,
right ones and false ones (`engines.training.train_presence`), and what speaks against a person lowers the score that
the points have. Most of the people it learned from keep theirs as it is. Newcomers alone are doubted: somebody who was
there a moment ago may well be half hidden now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

UNTOLD = 0.95
"""The factor of every newcomer where the trunk's features are not at hand (`--keypoints`): the limit on doubted
scores, 0.56, is 0.58 for theirs then, as it was before anybody was doubted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """What a score is multiplied by. Made for one trunk: features of another mean something else."""

    weight: np.ndarray
    """(2 C,) float32, of the channels' means and maxima, ..."""
    bias: float
    """... which give the factor's logarithm, where it is negative."""
    trunk: str = ""
    """`engines.runtime.fingerprint` of its ONNX file."""

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Features (B, C, h, w) of the trunk -> (B,) float32, 0 to 1.

        Raises ValueError for another number of channels.
        """
        return self.of_summaries(channel_summaries(features))

    def of_summaries(self, summaries: np.ndarray) -> np.ndarray:
        """The same of `channel_summaries` (B, 2 C)."""
        return np.exp(np.minimum(summaries @ self.weight + self.bias, 0)).astype(np.float32)

    def save(self, path: Path) -> None:
        """Write a few kilobytes."""
        np.savez(path, weight=self.weight.astype(np.float32), bias=np.float32(self.bias), trunk=np.array(self.trunk))

    @classmethod
    def load(cls, path: Path) -> Presence:
        """What `save` wrote."""
        with np.load(path) as stored:
            return cls(weight=stored["weight"], bias=float(stored["bias"]), trunk=str(stored["trunk"]))


def channel_summaries(features: np.ndarray) -> np.ndarray:
    """(B, C, h, w) -> (B, 2 C): the mean of each channel, then the maximum of each."""
    flat = features.reshape(*features.shape[:2], -1)
    return np.concatenate((flat.mean(2), flat.max(2)), 1)


def doubt(presence: np.ndarray | None, doubted: Sequence[bool]) -> np.ndarray:
    """(B,) what scores are multiplied by: those of ``doubted`` people by ``presence`` (B,), None: not known."""
    factor: np.ndarray = np.where(doubted, UNTOLD if presence is None else presence, 1.0)
    return factor

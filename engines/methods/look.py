"""What a method saw in crops, before bodies are made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engines.estimate import BodyEstimate, Sighting
from engines.methods.evidence import CropRequest, Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Of B requests."""

    requests: Sequence[CropRequest]
    seen: Sequence[Sighting]
    """(B,); bodies already where a method makes them in one go."""
    evidence: Evidence | None = None
    """Of the requests that scored enough, where bodies are still to be made ..."""
    rows: Sequence[int] = ()
    """... and which these are."""

    def bodies(self, rows: Sequence[int]) -> list[BodyEstimate]:
        """Of methods that make them in one go."""
        return [found for found in (self.seen[row] for row in rows) if isinstance(found, BodyEstimate)]

"""What methods remember of people from frame to frame."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

MAX_PEOPLE = 256
"""So many people are remembered, those who were seen last."""

Memory = TypeVar("Memory")


class RecentPeople(Generic[Memory]):
    """One memory each, by `CropRequest.person`."""

    def __init__(self) -> None:
        self._memories: dict[Hashable, Memory] = {}

    def __iter__(self) -> Iterator[Hashable]:
        """Who is known, the one seen longest ago first."""
        return iter(self._memories)

    def get(self, person: Hashable) -> Memory | None:
        """None for somebody unknown."""
        return self._memories.get(person)

    def put(self, person: Hashable, memory: Memory) -> None:
        """Replaces what was known of them; forgets who was seen longest ago where there are too many."""
        self._memories.pop(person, None)
        self._memories[person] = memory
        if len(self._memories) > MAX_PEOPLE:
            del self._memories[next(iter(self._memories))]

    def forget(self, person: Hashable) -> None:
        """Nothing is known of them from now on."""
        self._memories.pop(person, None)

"""People are remembered by who they are, and those seen longest ago go first."""

import pytest

from engines.methods import recent_people
from engines.methods.recent_people import RecentPeople


@pytest.fixture
def people(monkeypatch) -> RecentPeople[int]:
    monkeypatch.setattr(recent_people, "MAX_PEOPLE", 2)
    return RecentPeople()


def test_the_last_memory_of_somebody_counts(people):
    people.put("a", 1)
    people.put("a", 2)
    assert people.get("a") == 2 and people.get("b") is None


def test_who_was_seen_longest_ago_is_forgotten(people):
    for person, memory in (("a", 1), ("b", 2), ("a", 3), ("c", 4)):
        people.put(person, memory)
    assert list(people) == ["a", "c"]


def test_somebody_may_be_forgotten(people):
    people.put("a", 1)
    people.forget("a")
    people.forget("b")
    assert list(people) == []

"""The doctor looks at the real installation and at injected gaps in it."""

import importlib.metadata

import numpy as np
import pytest

from pipeline import doctor
from pipeline.installation import installed_extras

REQUIREMENTS = ["numpy>=1", "no-such-package>=2", 'torch>=2; extra == "torch"', "pytest; extra == 'test'"]


def test_packages_are_sorted_into_installed_and_missing(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: REQUIREMENTS)
    needed, torch, test = installed_extras()
    assert (needed.name, needed.missing, needed.complete) == ("", ("no-such-package",), False)
    assert needed.installed == {"numpy": np.__version__}
    assert torch.name == "torch" and torch.remedy == "pip install 'bodystream[torch]'"
    assert test.complete and "pytest" in test.installed
    text = "\n".join(doctor.packages())
    assert "MISSING: no-such-package; pip install bodystream" in text


def test_no_networks_is_a_verdict_and_an_exit_code(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(doctor, "WEIGHTS", tmp_path)
    assert doctor.main([]) == 1
    out = capsys.readouterr().out
    assert "MISSING: trunk-small" in out and "will not work here" in out
    for title in ("Machine", "Packages", "Around them", "Verdict"):
        assert f"{title}\n" in out


def test_a_broken_network_is_named_not_fatal(monkeypatch, tmp_path):
    (tmp_path / "trunk-small.onnx").write_bytes(b"not a network")
    monkeypatch.setattr(doctor, "WEIGHTS", tmp_path)
    lines, speeds = doctor.network_speeds("auto", float("inf"))
    assert not speeds and len(lines) == 2 and lines[1].startswith("trunk-small: ")
    lines, _ = doctor.network_speeds("auto", float("-inf"))
    assert "not timed" in lines[1]


@pytest.mark.parametrize(
    ("networks_ms", "decoding_ms", "name", "fps"), [(20, 5, "networks", 50), (5, 10, "decoding", 100)]
)
def test_the_slower_part_is_the_limit(networks_ms, decoding_ms, name, fps):
    text = doctor.limit({"trunk-small": networks_ms - 1, "bilayer-small": 1, "locator-small": 99}, decoding_ms)
    assert f"about {fps} frames/s" in text and f"{name} set the limit" in text

"""The one command: a section that fails is named, the others are reported, and nothing is hidden."""

import json

import pytest

from engines.training.evaluate import __main__ as command
from engines.training.evaluate.figure import Figure


def broken(args):
    raise FileNotFoundError("no shards in there")


@pytest.fixture
def sections(monkeypatch):
    fine = {"points": lambda args: [Figure("points", "OKS", 0.5)], "synthetic": broken}
    fine["crowds"] = lambda args: [Figure("crowds", f"swaps of {args.limit}", 0.25, "%", 0.5, "alone")]
    monkeypatch.setattr(command, "SECTIONS", fine)


def run(tmp_path, *more: str) -> int:
    paths = ["--shared", str(tmp_path), "--cache", str(tmp_path), "--synthetic", str(tmp_path)]
    return command.main([*paths, "--out", str(tmp_path / "out"), *more])


def test_a_failing_section_does_not_take_the_others_with_it(sections, tmp_path, capsys):
    assert run(tmp_path, "--limit", "7") == 1
    shown = capsys.readouterr()
    assert "OKS" in shown.out and "25.0 %  50.0 % alone" in shown.out
    assert "synthetic failed: FileNotFoundError: no shards in there" in shown.err
    saved = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [row["name"] for row in saved["figures"]] == ["OKS", "swaps of 7"]
    assert list(saved["failed"]) == ["synthetic"]
    assert "| crowds | swaps of 7 | 25.0 % | 50.0 % alone |" in (tmp_path / "out" / "report.md").read_text()


def test_sections_can_be_chosen(sections, tmp_path):
    assert run(tmp_path, "--only", "crowds", "points") == 0
    assert "failed" in json.loads((tmp_path / "out" / "report.json").read_text())
    with pytest.raises(SystemExit):
        run(tmp_path, "--only", "nothing")

"""A short campaign against the real program, and that the campaign notices what it is there to notice."""

import re
import time

import pytest

from pipeline.chaos import __main__ as command
from pipeline.chaos.campaign import Campaign
from pipeline.chaos.faults import Fault, FaultError, load_all
from pipeline.chaos.report import BEGIN, END
from pipeline.chaos.stage import set_up

PATIENT_S = 60.0
"""What is tested is that streams come back; how soon is for the campaign on a machine of its own."""


@pytest.mark.timeout(1200)
def test_a_short_campaign_loses_nothing(tmp_path, capsys):
    report = tmp_path / "reliability.md"
    report.write_text(f"before\n{BEGIN}stale figures{END}\nafter\n")
    code = command.main(["--injections", "16", "--seed", "3", "--back-within", str(PATIENT_S), "--report", str(report)])
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "16 faults injected, 16 recovered, 0 lost", out
    assert code == 0
    text = report.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "stale figures" not in text
    assert sum(int(n) for n in re.findall(r"^\| [\w-]+ \| [^|]+ \| (\d+) \|", text, re.MULTILINE)) == 16


def strike_for_ever(stage, random, camera):
    """A fault whose cause does not end."""
    stage.cameras[camera].stop()
    time.sleep(2)  # until what was on its way has arrived
    return "for ever"


def strike_the_log(stage, random, camera):
    for path in stage.logs.iterdir():
        path.unlink()
    return "deleted"


def strike_the_process(stage, random, camera):
    stage.target.kill()
    return "and nobody starts it again"


def strike_and_object(stage, random, camera):
    raise FaultError("it did what it must not do")


@pytest.mark.timeout(1200)
def test_what_is_wrong_is_called_lost(tmp_path):
    # The short patience is for faults that no patience would cure.
    faults = {
        "object": (strike_and_object, "it did what it must not do", PATIENT_S),
        "log": (strike_the_log, "frames are not in the log", 3.0),
        "process": (strike_the_process, "the program ended", 1.0),
        "camera": (strike_for_ever, "not back within", 1.0),
    }
    with set_up(tmp_path, estimator="bright", patience_s=PATIENT_S, seed=0, fps=10) as stage:
        campaign = Campaign(stage, [], 0)
        for name, (strike, words, patience_s) in faults.items():
            stage.patience_s = patience_s
            verdict = campaign.inject(Fault(name=name, what="", strike=strike, scope="all"))
            assert not verdict.recovered and any(words in problem for problem in verdict.problems), verdict


def test_there_are_many_kinds_and_unknown_ones_are_refused(capsys):
    assert len(load_all()) >= 12
    assert command.main(["--kinds", "stal"]) == 2
    assert "did you mean stall" in capsys.readouterr().err

"""What a soak run leaves behind can be read at every moment, also of a run that was killed."""

import cv2
import pytest

from pipeline.errors import OutputError
from pipeline.soak import report
from pipeline.soak.windows import judge
from tests.pipeline.soak.test_windows import run

MARKS = f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n"


def test_a_run_that_was_killed_is_shown_and_said_to_be_cut_off(tmp_path):
    rows, windows = run(minutes=5, streams=2, drop_every=(0, 0))
    verdict = judge(rows, windows, 150)
    report.write_rows(tmp_path, rows)
    report.write(tmp_path, verdict, {"cores": 2}, finished=False)
    assert report.read_rows(tmp_path) == rows
    document = tmp_path / "live.md"
    document.write_text(MARKS)
    report.put_into_docs([tmp_path], document)
    text = document.read_text()
    assert f"{verdict.line()}; THE RUN WAS CUT OFF HERE" in text and "old" not in text
    assert cv2.imread(str(tmp_path / f"soak-{tmp_path.name}.png")) is not None


def test_progress_tells_the_last_window_and_what_memory_was(tmp_path):
    rows, _ = run(minutes=2, grow=lambda t: {"memory_mb": 400 + t})
    assert report.progress(rows, 60) == (
        "2.0 of 60 min: cam0 p50 30 p99 30 ms dropped 0.0 %; memory 520 MB (430 after 30 s), 1.0 cores, load 2.0"
    )


def test_a_folder_without_a_run_is_an_error(tmp_path):
    (tmp_path / "live.md").write_text(MARKS)
    with pytest.raises(OutputError, match="no figures"):
        report.put_into_docs([tmp_path], tmp_path / "live.md")

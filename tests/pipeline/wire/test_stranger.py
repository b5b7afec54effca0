"""A stranger reads docs/wire.md, types in its reader, and decodes a frame with pyzmq and numpy alone."""

import json
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np

from engines.body import load_body
from engines.keypoints import JOINT_NAMES
from pipeline.sinks.publisher import Publisher
from tests.pipeline.synthetic_results import result

DOCUMENT = Path(__file__).parents[3] / "docs" / "wire.md"


def test_the_documented_reader_decodes_a_frame(tmp_path):
    (program,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), flags=re.DOTALL)
    script = tmp_path / "reader.py"
    script.write_text(program + "\nassert not {'pipeline', 'engines', 'kernels'} & set(sys.modules)\n")
    body = load_body()
    sent = [result(body, index, (3, 8)) for index in range(100)]
    publisher, stop = Publisher("tcp://127.0.0.1:0", body, mesh=True), threading.Event()

    def play():
        while not stop.is_set():
            for one in sent:
                publisher.write(one)
                if stop.wait(0.02):
                    return

    thread = threading.Thread(target=play)
    thread.start()
    try:
        # -I: neither the working directory nor PYTHONPATH is searched for modules.
        command = [sys.executable, "-I", str(script), publisher.bound_address]
        run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    finally:
        stop.set()
        thread.join()
        publisher.close()
    assert run.returncode == 0, run.stderr
    got = json.loads(run.stdout)
    truth = sent[got["frame"]]
    assert tuple(got["joint_names"]) == JOINT_NAMES
    assert [found["track_id"] for found in got["bodies"]] == [3, 8]
    for found, tracked in zip(got["bodies"], truth.bodies, strict=True):
        estimate = tracked.estimate
        np.testing.assert_allclose(found["joints"], estimate.joints, atol=3e-4)
        mesh = body.forward(estimate.pose, estimate.betas, estimate.translation, 1).vertices[0]
        np.testing.assert_allclose(found["vertices"], mesh, atol=1e-4)
        assert abs(found["score"] - estimate.score) <= 1 / 508

import socket
import time
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from engines.body import load_body
from pipeline.client import subscribe
from pipeline.errors import OutputError
from pipeline.metrics import ADDRESS, MetricsServer
from pipeline.runner import Runner
from pipeline.sinks.base import QueuePolicy, SinkThread
from pipeline.sinks.publisher import Publisher
from pipeline.sinks.recorder import Recorder
from pipeline.sources import Delivery
from tests.pipeline.bright_body import BrightBodyEstimator
from tests.pipeline.frames import CountedSource, ListSink


def scrape(server):
    """(metric, sorted labels) -> value."""
    with urllib.request.urlopen(server.address, timeout=30) as response:
        families = text_string_to_metric_families(response.read().decode())
    return {
        (sample.name, *(f"{k}={v}" for k, v in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


@pytest.fixture
def server():
    server = MetricsServer(0)
    yield server
    server.close()


def test_what_a_run_did_is_what_is_served(server, tmp_path):
    recorder = Recorder(tmp_path / "p.mcap", metadata={})
    sinks = [SinkThread(recorder, 99, QueuePolicy.BLOCK), SinkThread(ListSink(breaks_at=4), 99, QueuePolicy.BLOCK)]
    camera = CountedSource(40, stream="camera", delivery=Delivery.LATEST, interval_s=0.002)
    camera.superseded, camera.reconnects = 3, 2
    sources = [camera, CountedSource(10, stream="file")]
    for source in sources:
        source.open()
    runner = Runner(sources, BrightBodyEstimator(frame_s=0.01), sinks)
    server.watch(runner)
    before = scrape(server)
    assert before["bodystream_source_policy", "policy=latest", "stream=camera"] == 1
    assert before["bodystream_source_policy", "policy=block", "stream=file"] == 1
    assert before["bodystream_source_state", "state=running", "stream=camera"] == 1
    assert before["bodystream_frames_read_total", "stream=camera"] == 0
    summary = runner.run().summary
    after = scrape(server)
    for name in ("camera", "file"):
        stream = summary["streams"][name]
        assert after["bodystream_frames_read_total", f"stream={name}"] == stream["frames_read"]
        assert after["bodystream_frames_processed_total", f"stream={name}"] == stream["frames_processed"]
        key = "bodystream_frames_dropped_total", "reason=newer_frame", f"stream={name}"
        assert after[key] == stream["frames_dropped"]
        latency = "bodystream_latency_seconds"
        assert after[f"{latency}_count", f"stream={name}"] == stream["frames_processed"]
        assert after[f"{latency}_bucket", "le=+Inf", f"stream={name}"] == stream["frames_processed"]
        states = [v for key, v in after.items() if key[0] == "bodystream_source_state" and f"stream={name}" in key]
        assert sum(states) == 1 and after["bodystream_source_state", "state=ended", f"stream={name}"] == 1
    assert after["bodystream_frames_dropped_total", "reason=superseded", "stream=camera"] == 3
    assert after["bodystream_source_reconnects_total", "stream=camera"] == 2
    assert after["bodystream_people", "stream=file"] == 1
    processed = summary["frames_processed"]
    assert after["bodystream_stage_seconds_count", "stage=threshold"] == processed
    mean_ms = after["bodystream_stage_seconds_sum", "stage=threshold"] / processed * 1e3
    assert mean_ms == pytest.approx(summary["stage_ms"]["threshold"])
    assert after["bodystream_sink_up", "sink=list"] == 0 and after["bodystream_sink_up", "sink=record"] == 1
    assert after["bodystream_results_written_total", "sink=record"] == processed
    assert after[("bodystream_log_bytes_total",)] == (tmp_path / "p.mcap").stat().st_size


def test_open_subscriptions_and_the_bytes_of_several_logs_are_served(server, tmp_path):
    recorders = [Recorder(tmp_path / f"{name}.mcap", metadata={}) for name in "ab"]
    publisher = Publisher("tcp://127.0.0.1:0", load_body())
    sinks = [SinkThread(r, 9, QueuePolicy.BLOCK, stream=n) for r, n in zip(recorders, "ab", strict=True)]
    sources = [CountedSource(5, stream=name) for name in "ab"]
    for source in sources:
        source.open()
    runner = Runner(sources, BrightBodyEstimator(), [*sinks, SinkThread(publisher, 9, QueuePolicy.BLOCK)])
    server.watch(runner)
    assert scrape(server)[("bodystream_subscribers",)] == 0
    with subscribe(publisher.bound_address):
        while not publisher.subscribers:
            time.sleep(0.01)
        assert scrape(server)[("bodystream_subscribers",)] == 1
    runner.run()
    sizes = [(tmp_path / f"{name}.mcap").stat().st_size for name in "ab"]
    after = scrape(server)
    assert min(sizes) > 0 and after[("bodystream_log_bytes_total",)] == sum(sizes)
    assert after[("bodystream_messages_total",)] == publisher.sent > 10


def test_loopback_only_and_a_busy_port_is_said(server):
    assert ADDRESS == "127.0.0.1" and server.address.startswith("http://127.0.0.1:")
    port = int(server.address.split(":")[2].split("/")[0])
    with pytest.raises(OutputError, match=f"metrics port {port} cannot be opened"):
        MetricsServer(port)


def test_the_port_is_free_again():
    server = MetricsServer(0)
    port = int(server.address.split(":")[2].split("/")[0])
    server.close()
    with socket.create_server(("127.0.0.1", port)):
        pass

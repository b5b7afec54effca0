"""`--metrics-port`: what a running pipeline has done so far, for Prometheus. Read at the moment it is asked for.

Loopback only: whoever wants it elsewhere puts a proxy with a password in front.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from pipeline.errors import OutputError
from pipeline.sources.base import SourceState
from pipeline.summary import LatencyHistogram

if TYPE_CHECKING:
    from pipeline.runner import Runner

log = logging.getLogger(__name__)

ADDRESS = "127.0.0.1"
BOUNDS_MS = (1, 2, 5, 10, 20, 40, 60, 80, 100, 150, 250, 500, 1000, 2500, 5000, 10000)


class MetricsServer:
    """Serves http://127.0.0.1:PORT/metrics from its construction until `close`; empty until `watch`."""

    def __init__(self, port: int) -> None:
        """Port 0 takes a free one. Raises OutputError where the port is busy."""
        self._registry = CollectorRegistry()
        try:
            self._server, self._thread = start_http_server(port, ADDRESS, self._registry)
        except OSError as error:
            raise OutputError(
                f"metrics port {port} cannot be opened ({error.strerror}); choose another with --metrics-port"
            ) from error
        self.address = f"http://{ADDRESS}:{self._server.server_port}/metrics"

    def watch(self, runner: Runner) -> None:
        """Serve the figures of this run from now on."""
        self._registry.register(RunCollector(runner))

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class RunCollector:
    """Turns the counters of a run into metrics; costs nothing between two scrapes."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def collect(self) -> Iterator[Metric]:
        yield from self._streams()
        yield from self._sources()
        yield from self._sinks()

    def _streams(self) -> Iterator[Metric]:
        runner, stats = self._runner, self._runner.stats.snapshot()
        read = CounterMetricFamily("bodystream_frames_read", "Frames taken from a source.", labels=["stream"])
        done = CounterMetricFamily("bodystream_frames_processed", "Frames published.", labels=["stream"])
        dropped = CounterMetricFamily(
            "bodystream_frames_dropped",
            "Pictures that were not processed: newer_frame and superseded had a newer one behind them (the "
            "estimator, or the decoding thread, was busy), undecodable were damaged or skipped to catch up.",
            labels=["stream", "reason"],
        )
        people = GaugeMetricFamily("bodystream_people", "Bodies in the newest frame.", labels=["stream"])
        fps = GaugeMetricFamily("bodystream_fps", "Frames processed per second, lately.", labels=["stream"])
        latency = HistogramMetricFamily(
            "bodystream_latency_seconds", "From capture to the hand-over to the sinks.", labels=["stream"]
        )
        replaced = runner.frames_dropped
        for source in runner.sources:
            name = source.stream
            read.add_metric([name], stats.frames_read.get(name, 0))
            done.add_metric([name], stats.frames_processed.get(name, 0))
            for reason, count in (
                ("newer_frame", replaced[name]),
                ("superseded", source.superseded),
                ("undecodable", source.skipped),
            ):
                dropped.add_metric([name, reason], count)
            people.add_metric([name], stats.people.get(name, 0))
            fps.add_metric([name], stats.fps.get(name, 0.0))
            latency.add_metric([name], *_buckets(stats.latency.get(name)))
        yield from (read, done, dropped, people, fps, latency)
        stages = HistogramMetricFamily("bodystream_stage_seconds", "Time spent per frame and stage.", labels=["stage"])
        for stage, histogram in stats.stages.items():
            stages.add_metric([stage], *_buckets(histogram))
        yield stages

    def _sources(self) -> Iterator[Metric]:
        state = GaugeMetricFamily(
            "bodystream_source_state", "1 for the state the source is in.", labels=["stream", "state"]
        )
        reconnects = CounterMetricFamily(
            "bodystream_source_reconnects", "How often a lost camera came back.", labels=["stream"]
        )
        policy = GaugeMetricFamily(
            "bodystream_source_policy",
            "1 for what the source does when the estimator is busy: latest drops for the newest frame, block waits.",
            labels=["stream", "policy"],
        )
        for source in self._runner.sources:
            policy.add_metric([source.stream, source.delivery.name.lower()], 1)
            now = source.state
            for one in SourceState:
                state.add_metric([source.stream, one.value], float(one is now))
            reconnects.add_metric([source.stream], source.reconnects)
        yield from (state, reconnects, policy)

    def _sinks(self) -> Iterator[Metric]:
        written = CounterMetricFamily("bodystream_results_written", "Results a sink has taken.", labels=["sink"])
        dropped = CounterMetricFamily("bodystream_results_dropped", "Results a sink was too slow for.", labels=["sink"])
        up = GaugeMetricFamily("bodystream_sink_up", "0 for a sink that broke.", labels=["sink"])
        logs = []
        for sink in self._runner.sinks:
            written.add_metric([sink.name], sink.written)
            dropped.add_metric([sink.name], sink.dropped)
            up.add_metric([sink.name], float(sink.error is None))
            if (counters := getattr(sink.sink, "counters", None)) is not None:
                logs.append(counters)
            if (subscribers := getattr(sink.sink, "subscribers", None)) is not None:
                yield GaugeMetricFamily("bodystream_subscribers", "Subscriptions open now.", subscribers)
                yield CounterMetricFamily("bodystream_messages", "Messages published.", sink.sink.sent)  # type: ignore[attr-defined]
        if logs:
            bytes_written, lost = sum(one.bytes_written for one in logs), sum(one.frames_dropped for one in logs)
            yield CounterMetricFamily("bodystream_log_bytes", "Bytes of pose logs.", bytes_written)
            yield CounterMetricFamily("bodystream_log_frames_lost", "Frames not logged.", lost)
            stalled = float(any(one.stalled for one in logs))
            yield GaugeMetricFamily("bodystream_log_stalled", "1 while the disk refuses.", stalled)
        yield from (written, dropped, up)


def _buckets(histogram: LatencyHistogram | None) -> tuple[list[tuple[str, float]], float]:
    """Cumulative buckets as Prometheus wants them, and the sum, in seconds."""
    histogram = histogram or LatencyHistogram()
    counts = histogram.cumulative(BOUNDS_MS)
    bounds = [*(f"{bound / 1e3:g}" for bound in BOUNDS_MS), "+Inf"]
    return list(zip(bounds, [*counts, histogram.count], strict=True)), histogram.total_ms / 1e3

"""From a configuration to the parts of a run: opened sources, the estimator, sinks behind their threads.

Modules of sinks and engines are imported only when the run needs them.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from pipeline.config import RunConfig
from pipeline.errors import BodystreamError, OutputError, SourceError, UsageError
from pipeline.runner import FrameEstimator
from pipeline.sinks.base import QueuePolicy, Sink, SinkThread
from pipeline.sources.base import Delivery, Source, SourceOptions, SourceState
from pipeline.sources.registry import create_source
from pipeline.types import Frame, FrameResult

if TYPE_CHECKING:
    from engines.body import BodyModel
    from kernels.device import Device
    from pipeline.metrics import MetricsServer

log = logging.getLogger(__name__)

EstimatorFactory = Callable[[RunConfig, "BodyModel"], FrameEstimator]

PICTURE_QUEUE = 4
"""Results that wait for a sink that draws: each holds a picture."""
PUBLISH_QUEUE = 4
RECORD_QUEUE = 256
VIEW_ADDRESS = "tcp://127.0.0.1:*"
STREAM_MARK = "{stream}"
"""In the name of the pose log: a log of its own for each source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """Where a run writes; None where it does not."""

    record: Path | None = None
    overlay: Path | None = None
    contact_sheet: Path | None = None
    summary: Path | None = None

    @classmethod
    def of(cls, config: RunConfig) -> Outputs:
        """Paths from the flags, the folder `--out`, or a new folder under `runs/` if no output is asked for."""
        given = cls(
            **{
                name: Path(value).expanduser() if (value := getattr(config, name)) else None
                for name in ("record", "overlay", "contact_sheet", "summary")
            }
        )
        if config.out is not None:
            folder = Path(config.out).expanduser()
        elif given == cls() and config.publish is None and not config.view:
            folder = _new_run_folder(Path("runs"))
        else:
            return given
        return cls(
            record=given.record or folder / "poses.mcap",
            overlay=given.overlay or folder / "overlay.mp4",
            contact_sheet=given.contact_sheet or folder / "contact_sheet.png",
            summary=given.summary or folder / "summary.json",
        )

    def check(self) -> None:
        """Create the folders and try to write into them, before minutes are spent on anything else. OutputError."""
        for path in (self.record, self.overlay, self.contact_sheet, self.summary):
            if path is None:
                continue
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                if path.is_dir():
                    raise OutputError(f"cannot write {path}: it is a folder; name a file in it")
                with tempfile.TemporaryFile(dir=path.parent):
                    pass
            except OSError as error:
                raise OutputError(
                    f"cannot write {path}: {error.strerror or error}; choose a folder you may write to"
                ) from error


@dataclass(slots=True)
class Assembly:
    """The parts of a run. `close` lets go of what the runner has not."""

    outputs: Outputs
    sources: list[Source] = field(default_factory=list)
    sinks: list[SinkThread] = field(default_factory=list)
    artefacts: list[tuple[str, str]] = field(default_factory=list)
    """(label, path or command) for the end of the run."""
    estimator: FrameEstimator | None = None
    metrics: MetricsServer | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    def close(self) -> None:
        for source in self.sources:
            source.close()
        for sink in self.sinks:
            sink.close()
        self._stack.close()


class IdleEstimator:
    """For runs whose sources know their bodies."""

    weights: dict[str, str] = {}  # noqa: RUF012  (it has none)

    def warm_up(self) -> None: ...

    def look(self, frames: list[Frame]) -> NoReturn:
        raise ValueError(f"there is no estimator for {frames}")

    def lift(self, looked: NoReturn) -> list[FrameResult]:
        raise ValueError(f"there is no estimator for {looked}")

    def catch_up(self, looked: NoReturn) -> None: ...

    def close(self) -> None: ...


def default_estimator(config: RunConfig, body: BodyModel) -> FrameEstimator:
    """The estimator with the project's networks."""
    from pipeline.estimator import Estimator

    if not config.on_device:
        return Estimator(config, body)
    from engines.methods.device_method import open_device_method
    from engines.runtime import EngineError

    device = gpu_of(config)
    try:
        method = open_device_method(
            body, runtime=config.runtime, precision=config.precision, mirror=config.mirror == "always", device=device
        )
    except EngineError as error:
        raise BodystreamError(str(error)) from error
    return Estimator(config, body, method, method.detect)


def gpu_of(config: RunConfig) -> Device | None:
    """Of a run with ``--on-device``, else None. Raises UsageError where other flags forbid it, BodystreamError without
    a GPU."""
    if not config.on_device:
        return None
    if config.method != "bilayer" or config.keypoints:
        raise UsageError(
            "--on-device runs --method bilayer with its own trunk; leave out --keypoints and other methods"
        )
    from engines.methods.device_method import open_gpu
    from engines.runtime import EngineError

    try:
        return open_gpu()
    except EngineError as error:
        raise BodystreamError(str(error)) from error


def _check_runtime(config: RunConfig) -> None:
    """Where TensorRT is asked for and cannot run, that is said before a source is opened. Raises BodystreamError."""
    if config.runtime != "tensorrt":
        return
    from engines.runtime import EngineUnavailable, require_tensorrt

    try:
        require_tensorrt()
    except EngineUnavailable as error:
        raise BodystreamError(str(error)) from error


def _staying(options: SourceOptions, gpu: Device | None) -> SourceOptions:
    """Pictures that NVDEC decodes stay on the ``gpu``."""
    return replace(options, device=gpu) if options.hwaccel in ("auto", "cuda") else options


def assemble(config: RunConfig, build_estimator: EstimatorFactory = default_estimator) -> Assembly:
    """Open and build everything. Raises a BodystreamError; what was opened until then is closed."""
    specs = config.sources()
    if not specs:
        raise UsageError("there is no source; pass --source FILE, FOLDER, webcam:0, rtsp://..., demo or test:")
    assembly = Assembly(Outputs.of(config))
    try:
        gpu = gpu_of(config)
        _check_runtime(config)
        assembly.sources += [create_source(spec, _staying(options, gpu)) for spec, options in specs]
        _open_together(assembly.sources)
        assembly.outputs.check()
        if config.metrics_port is not None:
            from pipeline.metrics import MetricsServer

            assembly.metrics = MetricsServer(config.metrics_port)
            assembly._stack.callback(assembly.metrics.close)
            assembly.artefacts.append(("metrics", assembly.metrics.address))
        from threadpoolctl import threadpool_limits

        from engines.body import load_body

        body = load_body(config.body)
        _add_publisher(assembly, config, body)  # before the networks: a busy port is known at once
        if all(source.knows_bodies for source in assembly.sources):
            assembly.estimator = IdleEstimator()
        else:
            assembly.estimator = build_estimator(config, body)
        _add_files(assembly, config, body)
        # Products here are small, and a BLAS thread that waits for the next one spins on a core that networks want.
        assembly._stack.enter_context(threadpool_limits(1, user_api="blas"))
        assembly.estimator.warm_up()
    except BaseException:
        assembly.close()
        raise
    return assembly


def _open_together(sources: list[Source]) -> None:
    """Open all at once. With several, a camera that does not answer is waited for while the others run."""
    with ThreadPoolExecutor(len(sources)) as pool:
        try:
            for opening in [pool.submit(source.open, patient=len(sources) > 1) for source in sources]:
                opening.result()
        except BaseException:
            for source in sources:  # wakes those that are still opening
                source.close()
            raise
    if all(source.state is SourceState.RECONNECTING for source in sources):
        raise SourceError("; ".join(source.trouble for source in sources))


def _add_publisher(assembly: Assembly, config: RunConfig, body: BodyModel) -> None:
    if config.publish is None and not config.view:
        return
    from pipeline.sinks.publisher import Publisher
    from pipeline.wire.layout import SourceState as WireState

    publisher = Publisher(
        config.publish or VIEW_ADDRESS,
        body,
        mesh=config.mesh,
        keys=config.keys,
        allow_plaintext=config.allow_plaintext,
    )
    _add(assembly, publisher, PUBLISH_QUEUE, QueuePolicy.DROP_OLDEST)

    def tell(source: Source, state: SourceState) -> None:
        publisher.set_state(source.stream, WireState[state.name])

    for source in assembly.sources:
        tell(source, source.state)
        source.on_state.append(tell)
    if config.view:
        command = [sys.executable, "-m", "pipeline.cli", "view", publisher.bound_address]
        for flag, value in (("--keys", config.keys), ("--body", config.body)):
            command += [flag, value] if value else []
        viewer = subprocess.Popen(command, start_new_session=True)
        assembly._stack.callback(viewer.terminate)
    else:
        assembly.artefacts.append(("live view", f"bodystream view {publisher.bound_address}"))


def _add_files(assembly: Assembly, config: RunConfig, body: BodyModel) -> None:
    outputs, sources = assembly.outputs, assembly.sources
    finite = all(source.delivery is Delivery.BLOCK for source in sources)
    drawing = QueuePolicy.BLOCK if finite else QueuePolicy.DROP_OLDEST
    if outputs.record is not None:
        from pipeline.log_format import skeleton_record
        from pipeline.sinks.recorder import Recorder

        assert assembly.estimator is not None
        weights = assembly.estimator.weights
        metadata = skeleton_record(body_model=body.identity, method=config.method, weights=weights)
        policy = QueuePolicy.BLOCK if finite else QueuePolicy.DROP_NEWEST_LOUDLY

        def record(path: Path, recorded: list[Source], stream: str | None = None) -> None:
            recorder = Recorder(
                path,
                metadata=metadata,
                rotate_bytes=round(config.rotate_mb * 1e6),
                rotate_s=config.rotate_minutes * 60,
            )
            _add(assembly, recorder, RECORD_QUEUE, policy, stream=stream)
            for source in recorded:
                recorder.note_state(source.stream, source.state.value, source.trouble)
                source.on_state.append(lambda src, state: recorder.note_state(src.stream, state.value, src.trouble))
            assembly.artefacts.append(("pose log", f"{path}   (bodystream log info {path})"))

        if STREAM_MARK in outputs.record.name:
            for source in sources:
                name = outputs.record.name.replace(STREAM_MARK, source.stream)
                record(outputs.record.with_name(name), [source], source.stream)
        else:
            record(outputs.record, sources)
    if outputs.overlay is not None:
        from pipeline.sinks.overlay import OverlayWriter

        for source in sources:
            path = _of_stream(outputs.overlay, source, len(sources))
            sink = OverlayWriter(path, body, fps=source.fps or 30.0, max_side_px=config.overlay_size)
            _add(assembly, sink, PICTURE_QUEUE, drawing, stream=source.stream)
            assembly.artefacts.append(("overlay", str(path)))
    if outputs.contact_sheet is not None:
        from pipeline.sinks.contact_sheet import ContactSheet

        for source in sources:
            path = _of_stream(outputs.contact_sheet, source, len(sources))
            _add(assembly, ContactSheet(path, body), PICTURE_QUEUE, drawing, stream=source.stream)
            assembly.artefacts.append(("contact sheet", str(path)))
    for source in sources:
        if (truth := getattr(source, "truth", None)) is not None:  # a rendered clip knows its bodies
            from pipeline.sinks.truth import TruthSink

            _add(assembly, TruthSink(truth), RECORD_QUEUE, QueuePolicy.BLOCK, stream=source.stream)
    if outputs.summary is not None:
        assembly.artefacts.append(("summary", str(outputs.summary)))


def _add(assembly: Assembly, sink: Sink, capacity: int, policy: QueuePolicy, **options: Any) -> None:
    assembly.sinks.append(SinkThread(sink, capacity, policy, **options))


def _of_stream(path: Path, source: Source, count: int) -> Path:
    """`overlay.mp4` -> `overlay-door.mp4` where several streams would write to the same file."""
    return path if count == 1 else path.with_stem(f"{path.stem}-{source.stream}")


def _new_run_folder(root: Path) -> Path:
    name = time.strftime("%Y%m%d-%H%M%S")
    folder = root / name
    return folder if not folder.exists() else root / f"{name}-{os.getpid()}"

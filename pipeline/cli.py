"""`bodystream COMMAND`: parse, dispatch, turn errors into exit codes.

Exit codes: 0 done, 2 usage, 3 a source could not be opened, 4 interrupted before anything was read, 1 everything else.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import logging
import os
import signal
import sys
import typing
from collections.abc import Sequence
from typing import Any, NoReturn

import msgspec

from pipeline.assemble import Assembly, EstimatorFactory, assemble, default_estimator
from pipeline.batcher import BatchPolicy
from pipeline.config import RunConfig, load_config, suggest
from pipeline.errors import BodystreamError, UsageError
from pipeline.logs import set_up
from pipeline.runner import Runner
from pipeline.sources.redact import redact
from pipeline.status import StatusLine, closing_lines
from pipeline.summary import write_summary

log = logging.getLogger(__name__)

COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("pipeline.cli", "estimate the bodies of one or more sources"),
    "view": ("pipeline.viewer", "show published or recorded bodies in the browser"),
    "log": ("pipeline.log_cli", "look into a pose log, repair or export it"),
    "compare": ("pipeline.compare", "all methods on the same clip, as a table, a video and a report"),
    "build": ("engines.runtime.build", "compile the networks for this machine"),
    "bench": ("pipeline.bench", "measure the speed on this machine"),
    "doctor": ("pipeline.doctor", "what is installed, what will be used, what limits it"),
    "keys": ("pipeline.keys", "keys for publishing beyond this machine"),
}
"""Command -> (module whose `main(argv) -> int` it runs, what it does)."""


def main(argv: Sequence[str] | None = None) -> int:
    """The `bodystream` command."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        width = max(map(len, COMMANDS))
        lines = [f"  {name:{width}}  {what}" for name, (_, what) in COMMANDS.items()]
        print("usage: bodystream COMMAND ...\n\n" + "\n".join(lines) + "\n\nbodystream COMMAND --help says more.")
        return 0 if arguments else 2
    command, *rest = arguments
    if command == "run":
        return run(rest)
    if command not in COMMANDS:
        return _complain(UsageError(f"there is no command {command!r}{suggest(command, COMMANDS)}"))
    module = COMMANDS[command][0]
    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            return _complain(BodystreamError(f"bodystream {command} needs the package {error.name}; install it"))
        return _complain(UsageError(f"this version has no `bodystream {command}` yet"))
    try:
        return loaded.main(rest)
    except BodystreamError as error:
        return _complain(error)


def run(argv: Sequence[str] | None = None, *, build_estimator: EstimatorFactory = default_estimator) -> int:
    """`bodystream run` and `run_stream.py`. Returns the exit code."""
    interrupt = _Interrupt()
    as_json = False
    with interrupt:
        try:
            config = parse(sys.argv[1:] if argv is None else argv)
            as_json = config.log_format == "json"
            set_up(config.log_level, config.log_format)
            assembly = assemble(config, build_estimator)
            try:
                return _run(config, assembly, interrupt)
            finally:
                assembly.close()
        except KeyboardInterrupt:
            print("interrupted before anything was read", file=sys.stderr)
            return 4
        except Exception as error:
            return _complain(error, as_json)


def parse(argv: Sequence[str]) -> RunConfig:
    """Flags and the configuration file they name -> configuration. Raises UsageError; exits after --help."""
    parser = _Parser(
        prog="bodystream run",
        allow_abbrev=False,
        description="Estimate 3D bodies in video, publish and record them.",
        epilog="Every flag is also a key of the TOML file: --max-frames 9 is `max-frames = 9`. Exit codes: 0 done, "
        "2 usage, 3 a source could not be opened, 4 interrupted before anything was read, 1 everything else.",
    )
    parser.add_argument("--config", metavar="PATH.toml", help="configuration file; flags override it")
    for field in msgspec.inspect.type_info(RunConfig).fields:  # type: ignore[attr-defined]
        _add_flag(parser, field)
    given = vars(parser.parse_args(list(argv)))
    return load_config(given.pop("config", None), given)


def _run(config: RunConfig, assembly: Assembly, interrupt: _Interrupt) -> int:
    assert assembly.estimator is not None
    gc.freeze()  # what is loaded now stays: no collection has to look through it again
    sys.setswitchinterval(1e-3)  # a publisher with a body in its hands waits for the estimator at most so long
    status, is_json = StatusLine(), config.log_format == "json"
    runner = Runner(
        assembly.sources,
        assembly.estimator,
        assembly.sinks,
        max_frames=config.max_frames,
        batching=BatchPolicy(bound_s=config.batch_wait / 1e3, most=config.max_batch or None),
        on_progress=None if config.quiet or is_json else status.show,
        on_error=log.error if is_json else status.error,
    )
    if assembly.metrics is not None:
        assembly.metrics.watch(runner)
    interrupt.stop_gently(runner.stop)
    outcome = runner.run()
    status.clear()
    if assembly.outputs.summary is not None:
        write_summary(assembly.outputs.summary, outcome.summary)
    if is_json:
        log.info("the run is over: %s", "; ".join(closing_lines(outcome.summary, ())))
    elif not config.quiet:
        print("\n".join(closing_lines(outcome.summary, assembly.artefacts)))
    return outcome.exit_code


def _add_flag(parser: argparse.ArgumentParser, field: Any) -> None:
    """One flag per field of RunConfig; what is not given stays out of the namespace, so that the file can say it."""
    kind, flag = field.type, f"--{field.encode_name.replace('_', '-')}"
    text, inner = "", kind
    if isinstance(kind, msgspec.inspect.Metadata):
        text, inner = (kind.extra_json_schema or {}).get("description", ""), kind.type
    options: dict[str, Any] = {"dest": field.name, "default": argparse.SUPPRESS, "help": text.replace("%", "%%")}
    if isinstance(inner, msgspec.inspect.BoolType):
        parser.add_argument(flag, action=argparse.BooleanOptionalAction, **options)
        return
    if isinstance(inner, msgspec.inspect.LiteralType):
        options["metavar"] = "|".join(map(str, inner.values))
        shown = field.default
    else:
        options["metavar"] = flag[2:].upper()
        shown = None if field.default in (None, ()) or field.default is msgspec.NODEFAULT else field.default
    if shown is not None:
        options["help"] += f" (default: {shown})"
    parser.add_argument(flag, action="append" if field.name == "source" else "store", **options)


class _Parser(argparse.ArgumentParser):
    """Errors become UsageError; an unknown flag comes with a suggestion."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        known, rest = self.parse_known_args(args, namespace)
        if rest:
            flags = [flag for action in self._actions for flag in action.option_strings if flag.startswith("--")]
            near = suggest(rest[0].partition("=")[0], flags) if rest[0].startswith("-") else "; sources need --source"
            self.error(f"unknown argument {rest[0]!r}{near}")
        return known

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


class _Interrupt:
    """SIGINT and SIGTERM: while loading they raise KeyboardInterrupt, then they stop gently; the second one exits."""

    def __init__(self) -> None:
        self._stop: typing.Callable[[], None] | None = None
        self._count = 0
        self._before: dict[int, Any] = {}

    def stop_gently(self, stop: typing.Callable[[], None]) -> None:
        self._stop = stop

    def __enter__(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._handle)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, *_: object) -> None:
        self._count += 1
        if self._count > 1:
            os._exit(1)
        if self._stop is None:
            raise KeyboardInterrupt
        self._stop()


def _complain(error: Exception, as_json: bool = False) -> int:
    """Print the one line of an error, return its exit code."""
    log.debug("traceback", exc_info=error)
    ours = isinstance(error, BodystreamError)
    text = str(error) if ours else f"{type(error).__name__}: {error}"
    text = redact(" ".join(text.split()))
    if as_json:
        log.error(text)
    else:
        print(f"error: {text}", file=sys.stderr)
    return error.exit_code if isinstance(error, BodystreamError) else 1


if __name__ == "__main__":
    sys.exit(main())

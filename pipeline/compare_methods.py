"""Several methods on the same crops: one of them leads the tracker, the others look at what it looks at."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from engines.body import BodyModel
from engines.estimate import BodyEstimate
from engines.methods import METHODS, CropRequest, Look, Method, create_method
from engines.runtime import EngineError
from pipeline.config import MIRROR, RunConfig, suggest
from pipeline.errors import BodystreamError, UsageError
from pipeline.smoothing import Smoother
from pipeline.types import FrameResult, TrackedBody

LEADER = "bilayer"
"""The method whose estimates say where people are in the next frame; the first of those compared if it is not there."""


@dataclass(slots=True)
class Effort:
    """How long a method took."""

    people: int = 0
    total_s: float = 0.0
    own_s: float = 0.0
    """Of this, what is not the crops and the trunk, which all methods share."""

    def add(self, people: int, total_s: float, spans_ms: Mapping[str, float]) -> None:
        self.people += people
        self.total_s += total_s
        shared_s = sum(spans_ms.get(stage, 0.0) for stage in ("crop", "trunk", "decode_points")) / 1000
        self.own_s += max(total_s - shared_s, 0.0)


class SideBySide:
    """Methods as one `engines.methods.Method`: answers with the leader's bodies and keeps those of the others."""

    def __init__(self, methods: Mapping[str, Method]) -> None:
        """The first leads. Owns the methods."""
        self._methods = dict(methods)
        self.leader = next(iter(self._methods))
        self.weights = {name: digest for method in methods.values() for name, digest in method.weights.items()}
        self.efforts = {name: Effort() for name in methods}
        self.failed: dict[str, str] = {}
        """Methods that broke on the way, and why; the leader's failure is the run's."""
        self.found: dict[str, dict[Hashable, BodyEstimate]] = {}
        """Method -> person of the last requests -> body."""

    def estimate(self, requests: list[CropRequest], spans_ms: dict[str, float]) -> list[BodyEstimate]:
        """See `engines.methods.Method.estimate`."""
        self.found = {}
        for name, method in list(self._methods.items()):
            own: dict[str, float] = {}
            started = time.perf_counter()
            try:
                bodies = method.estimate(requests, own)
            except Exception as error:
                if name == self.leader:
                    raise
                self.failed[name] = f"{type(error).__name__}: {error}"
                self._methods.pop(name).close()
                continue
            self.efforts[name].add(len(requests), time.perf_counter() - started, own)
            self.found[name] = {request.person: body for request, body in zip(requests, bodies, strict=True)}
        return list(self.found[self.leader].values()) if requests else []

    def look(self, requests: list[CropRequest], least_scores: Sequence[float], spans_ms: dict[str, float]) -> Look:
        """See `engines.methods.Method.look`: every method makes a body of everybody, so that efforts compare."""
        return Look(requests=requests, seen=self.estimate(requests, spans_ms))

    def lift(self, look: Look, rows: Sequence[int], spans_ms: dict[str, float]) -> list[BodyEstimate]:
        """See `engines.methods.Method.lift`: nothing is left to do."""
        return look.bodies(rows)

    def remember(self, requests: Sequence[CropRequest], bodies: Sequence[BodyEstimate]) -> None:
        """See `engines.methods.Method.remember`: every method has remembered its own bodies."""

    def forget_efforts(self) -> None:
        """The warm-up does not count."""
        self.efforts = {name: Effort() for name in self.efforts}

    def close(self) -> None:
        """Let go of all methods."""
        for method in self._methods.values():
            method.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodFrame:
    """What one method makes of one frame."""

    raw: tuple[TrackedBody, ...]
    bodies: tuple[TrackedBody, ...]
    """Smoothed."""


@dataclass(slots=True)
class OthersSmoothed:
    """Gives every method the identities of the leader's tracks and a smoother of its own."""

    body: BodyModel
    smoothing: str
    _smoothers: dict[str, Smoother] = field(default_factory=dict)

    def frames(
        self, result: FrameResult, found: Mapping[str, Mapping[Hashable, BodyEstimate]]
    ) -> dict[str, MethodFrame]:
        """Per method, the people whom the tracker believes in."""
        frame = result.frame
        out = {}
        for name, people in found.items():
            smoother = self._smoothers.setdefault(name, Smoother(self.smoothing))
            raw = tuple(replace(t, estimate=people[(frame.stream, t.track_id)]) for t in result.raw_bodies)
            bodies = raw
            if not frame.unrelated:
                bodies = tuple(
                    replace(t, estimate=smoother.apply(frame.stream, t.track_id, frame.pts_s, t.estimate, self.body))
                    for t in raw
                )
            out[name] = MethodFrame(raw=raw, bodies=bodies)
        return out


def open_methods(
    names: Sequence[str] | None,
    config: RunConfig,
    body: BodyModel,
    create: Callable[..., Method] = create_method,
) -> tuple[dict[str, Method], dict[str, str]]:
    """The methods by name, the leader first, and why the others are left out.

    ``names`` None: all that can run here. A method that is asked for by name and cannot run is a BodystreamError.
    """
    for name in names or ():
        if name not in METHODS:
            raise UsageError(f"there is no method {name!r}{suggest(name, METHODS)}")
    wanted = list(dict.fromkeys(names or METHODS))
    wanted.sort(key=lambda name: name != LEADER)
    methods: dict[str, Method] = {}
    left_out: dict[str, str] = {}
    for name in wanted:
        try:
            methods[name] = create(
                name,
                body=body,
                runtime=config.runtime,
                precision=config.precision,
                threads=config.threads,
                mirror=MIRROR[config.mirror],
                keypoints=Path(config.keypoints).expanduser() if config.keypoints else None,
            )
        except (EngineError, ValueError, ImportError) as error:
            if names is not None:
                for method in methods.values():
                    method.close()
                raise BodystreamError(f"method {name} cannot run: {error}") from error
            left_out[name] = str(error)
    if not methods:
        raise BodystreamError(f"no method can run here: {'; '.join(f'{n}: {why}' for n, why in left_out.items())}")
    return methods, left_out

"""The loop that all trainings share: schedule, checkpoints, averaged weights, curves.

A run is a folder: ``config.json`` (options, versions, commit), ``checkpoint.pt`` (resumable, replaced whole),
``curve.csv`` and ``curve.png``. A schedule has a length in minutes, for the machine at hand, or in steps, which makes a
run on a CPU repeatable to the bit for a given seed.
"""

from __future__ import annotations

import argparse
import copy
import csv
import json
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)

SAVE_EVERY_S = 120.0
REPORT_EVERY = 100
WARM_UP_STEPS = 200
LOWEST_RATE = 0.02
"""Of the peak, at the end of the cosine."""


class Optimiser(Protocol):
    """What the loop needs of `torch.optim` classes and `engines.training.muon.HiddenMuon`."""

    param_groups: list[dict[str, Any]]

    def step(self) -> Any: ...
    def zero_grad(self) -> None: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any], /) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What every training command is told; `add_run_options` puts it on a command line."""

    folder: Path
    minutes: float
    steps: int | None
    """Length of the schedule in steps; None: in minutes."""
    stop_after: float
    """Minutes after which this call stops; infinite: at the schedule's end."""
    resume: bool
    rate: float
    seed: int
    eval_minutes: float


def add_run_options(parser: argparse.ArgumentParser, *, minutes: float, rate: float, eval_minutes: float = 5) -> None:
    """Add the options of `RunOptions` to a training's command line."""
    parser.add_argument(
        "--minutes", type=float, default=minutes, help="length of the whole schedule, all calls together"
    )
    parser.add_argument("--steps", type=int, help="length of the schedule in steps: repeatable, unlike minutes")
    parser.add_argument("--stop-after", type=float, default=math.inf, help="stop this call after so many minutes")
    parser.add_argument("--resume", action="store_true", help="go on from the run folder's checkpoint, if there is one")
    parser.add_argument("--run", type=Path, help="run folder, default runs/NAME-PRESET")
    parser.add_argument("--rate", "--lr", type=float, default=rate, help="peak of the learning rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--eval-minutes", type=float, default=eval_minutes, help="minutes between validations")


def run_options(arguments: argparse.Namespace, name: str) -> RunOptions:
    """The options as given; ``name`` names the default folder."""
    return RunOptions(
        folder=arguments.run or Path("runs") / name,
        **{key: getattr(arguments, key) for key in RunOptions.__dataclass_fields__ if key != "folder"},
    )


class TrainingRun(Generic[Network]):
    """One network in training. Iterate over `steps()`, call `descend` in each, validate when `validation_due`.

    ``average`` is a second network of the same shape for the averaged weights, where ``net`` cannot be copied.
    Raises ValueError where a checkpoint does not fit the network.
    """

    def __init__(
        self,
        options: RunOptions,
        net: Network,
        optimiser: Optimiser,
        config: dict[str, Any],
        *,
        decay: float = 0.998,
        average_every: int = 1,
        average: Network | None = None,
    ) -> None:
        self.options, self.net = options, net
        self.step = 0
        self.average: Network = copy.deepcopy(net) if average is None else average
        self.average.load_state_dict(net.state_dict())
        self.average.eval()
        self._optimiser, self._config = optimiser, config
        self._decay, self._average_every = decay, average_every
        self._spent_before = 0.0
        self._terms: dict[str, float] = {}
        self._samples = 0
        options.folder.mkdir(parents=True, exist_ok=True)
        self._checkpoint = options.folder / "checkpoint.pt"
        if options.resume and self._checkpoint.exists():
            self._load()
        described = {**config, "command": sys.argv, "torch": torch.__version__, "commit": _commit()}
        (options.folder / "config.json").write_text(json.dumps(described, default=str, indent=1))
        self._began = self._window = self._saved = self._validated = time.monotonic()

    @property
    def minutes(self) -> float:
        """Spent on this run in all calls."""
        return self._spent_before + (time.monotonic() - self._began) / 60

    @property
    def progress(self) -> float:
        """Share of the schedule that is done, 0..1."""
        done = self.step / self.options.steps if self.options.steps else self.minutes / self.options.minutes
        return min(1.0, done)

    def steps(self) -> Iterator[int]:
        """Step numbers until the schedule, or this call's time, is over; then saves."""
        while self.progress < 1 and self.minutes - self._spent_before < self.options.stop_after:
            rate = self.options.rate * cosine(self.progress) * min(1.0, (self.step + 1) / WARM_UP_STEPS)
            for group in self._optimiser.param_groups:
                group["lr"] = rate
            yield self.step
            self.step += 1
            if self.step % self._average_every == 0:
                follow(self.average, self.net, self._decay, self.step // self._average_every)
            if time.monotonic() - self._saved > SAVE_EVERY_S:
                self.save()
        self.save()

    def descend(self, samples: int, **terms: Tensor | float) -> None:
        """Take the step that the accumulated gradients ask for; ``terms`` of the loss are reported as means."""
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self._optimiser.step()
        self._optimiser.zero_grad()
        self._samples += samples
        for name, term in terms.items():
            self._terms[name] = self._terms.get(name, 0.0) + float(term) / REPORT_EVERY
        if (self.step + 1) % REPORT_EVERY == 0:
            speed = self._samples / (time.monotonic() - self._window)
            report = " ".join(f"{name} {mean:.3f}" for name, mean in self._terms.items())
            print(f"{self.minutes:6.1f} min step {self.step + 1} {speed:.0f}/s {report}", flush=True)
            self._terms, self._samples, self._window = {}, 0, time.monotonic()

    def validation_due(self) -> bool:
        """Whether `eval_minutes` have gone by since the last `record`."""
        return time.monotonic() - self._validated > self.options.eval_minutes * 60

    def record(self, figures: dict[str, float], words: str = "") -> None:
        """Print validation figures of `average`, append them to the curve and draw it anew."""
        shown = words or "  ".join(f"{name} {value:.3f}" for name, value in figures.items())
        print(f"[{self.minutes:6.1f} min, step {self.step}] {shown}", flush=True)
        path = self.options.folder / "curve.csv"
        fresh = not path.exists()
        with path.open("a", newline="") as handle:
            writer = csv.writer(handle)
            if fresh:
                writer.writerow(["minutes", "step", *figures])
            writer.writerow([f"{self.minutes:.2f}", self.step, *(f"{value:.5g}" for value in figures.values())])
        draw_curve(path)
        self._validated = time.monotonic()

    def save(self) -> None:
        """Write the checkpoint beside the old one, then put it in its place: a kill leaves one of them whole."""
        part = self._checkpoint.with_suffix(".part")
        torch.save(
            {
                "net": self.net.state_dict(),
                "average": self.average.state_dict(),
                "optimiser": self._optimiser.state_dict(),
                "step": self.step,
                "minutes": self.minutes,
                "config": json.dumps(self._config, default=str),
            },
            part,
        )
        part.replace(self._checkpoint)
        self._saved = time.monotonic()

    def _load(self) -> None:
        device = next(self.net.parameters()).device
        saved = torch.load(self._checkpoint, map_location=device, weights_only=True)
        try:
            self.net.load_state_dict(saved["net"])
            self.average.load_state_dict(saved["average"])
            self._optimiser.load_state_dict(saved["optimiser"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise ValueError(
                f"{self._checkpoint} is of another network or version ({error}); "
                "give another --run, or start without --resume"
            ) from error
        self.step, self._spent_before = saved["step"], saved["minutes"]


def cosine(progress: float) -> float:
    """Share of the peak rate at a progress of 0..1."""
    return LOWEST_RATE + (1 - LOWEST_RATE) * 0.5 * (1 + math.cos(math.pi * progress))


@torch.no_grad()
def follow(average: nn.Module, net: nn.Module, decay: float, updates: int) -> None:
    """Move averaged weights, norms' statistics included, towards the trained ones.

    The rate starts fast, so that the average is useful early; ``updates`` counts from 1.
    """
    rate = 1 - min(decay, (updates + 1) / (updates + 10))
    for slow, fast in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
        if slow.dtype.is_floating_point:
            slow.lerp_(fast, rate)


def draw_curve(path: Path) -> None:
    """Draw every figure of a curve.csv over the minutes, beside it as curve.png."""
    import matplotlib.figure

    with path.open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    names = [name for name in rows[0] if name not in ("minutes", "step")]
    figure = matplotlib.figure.Figure(figsize=(8, 2.2 * len(names)), layout="constrained")
    for axis, name in zip(figure.subplots(len(names), sharex=True, squeeze=False)[:, 0], names, strict=True):
        axis.plot([float(row["minutes"]) for row in rows], [float(row[name]) for row in rows], marker=".")
        axis.set_ylabel(name)
        axis.grid(alpha=0.3)
    axis.set_xlabel("minutes of training")
    figure.savefig(path.with_suffix(".png"), dpi=80)


def _commit() -> str:
    try:
        return subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"

"""TensorRT on an NVIDIA GPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engines.runtime.cuda_device import find_cuda_device
from engines.runtime.engine import Engine, EngineUnavailable, Precision


class TensorRtEngine(Engine):
    """See `engines.runtime.load_engine`."""

    def __init__(
        self,
        path: Path,
        *,
        precision: Precision = "auto",
        batches: tuple[int, ...] = (1,),
        cache_dir: Path | None = None,
    ) -> None:
        if find_cuda_device() is None:
            raise EngineUnavailable("runtime tensorrt needs an NVIDIA GPU with its driver; none is here")
        raise EngineUnavailable("runtime tensorrt is not built yet")

    def _infer(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        raise NotImplementedError

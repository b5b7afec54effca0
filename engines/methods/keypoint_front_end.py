"""Another keypoint network in the place of the trunk: RTMPose, ViTPose, MoveNet and others, as an ONNX file.

It gives COCO's 17 points and nothing else: no joints, no depth, no segmentation, no features.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engines.keypoints import NUM_COCO, NUM_POINTS
from engines.methods.evidence import CropRequest, Evidence
from engines.methods.keypoint_decode import decode_keypoints
from engines.methods.keypoint_form import KeypointForm, read_form
from engines.methods.trunk_method import peak_mass
from engines.runtime import Engine, load_engine
from engines.runtime.engine import EngineError, Precision, Runtime
from kernels.crop_normalize import crop_batch


class KeypointFrontEnd:
    """A keypoint network as a `engines.methods.evidence.EvidenceReader`."""

    def __init__(self, engine: Engine, form: KeypointForm) -> None:
        """Raises EngineError where the network is not what ``form`` says."""
        self.engine = engine
        self._form = form
        names = [spec.name for spec in engine.outputs]
        wanted = form.outputs or tuple(names[: 2 if form.form == "simcc" else 1])
        if not set(wanted) <= set(names) or (form.form == "simcc" and len(wanted) < 2):
            raise EngineError(f"the keypoint network has the outputs {names}, its TOML file names {list(wanted)}")
        self._outputs = wanted
        if len(engine.inputs) != 1:
            raise EngineError(f"the keypoint network takes {len(engine.inputs)} inputs, it must take one picture")
        self._input = engine.inputs[0]
        width, height = form.input
        shape = (height, width, 3) if form.layout == "nhwc" else (3, height, width)
        taken = self._input.shape
        if len(taken) != 4 or any(size not in (None, want) for size, want in zip(taken[1:], shape, strict=True)):
            raise EngineError(f"the keypoint network takes {self._input}, its TOML file says {form.layout} of {shape}")
        self._one_by_one = taken[0] is not None

    def crops(self, requests: list[CropRequest]) -> np.ndarray:
        """(B, h, w, 3) uint8: the squares of the requests, cut narrower or lower where the network's input is."""
        width, height = self._form.input
        long = max(width, height)
        out = np.empty((len(requests), height, width, 3), np.uint8)
        x, y = (long - width) // 2, (long - height) // 2
        for row, request in enumerate(requests):
            side = np.array([request.side_px * self._form.margin])
            square = crop_batch(np.asarray(request.image), request.center_px[None], side, long)[0]
            out[row] = square[y : y + height, x : x + width]
        return out

    def infer(self, crops: np.ndarray, *, closely: bool = False) -> dict[str, np.ndarray]:
        """Normalise and run, one by one where the network takes no batch."""
        form = self._form
        picture = crops[..., ::-1] if form.channels == "bgr" else crops
        if form.mean != (0.0, 0.0, 0.0) or form.std != (1.0, 1.0, 1.0):
            picture = (picture - np.array(form.mean, np.float32)) / np.array(form.std, np.float32)
        if form.layout == "nchw":
            picture = picture.transpose(0, 3, 1, 2)
        picture = np.ascontiguousarray(picture.astype(self._input.dtype))
        if not self._one_by_one:
            return self.engine({self._input.name: picture})
        runs = [self.engine({self._input.name: picture[row : row + 1]}) for row in range(len(picture))]
        return {name: np.concatenate([run[name] for run in runs]) for name in self._outputs}

    def read(self, outputs: dict[str, np.ndarray], crops: np.ndarray, requests: list[CropRequest]) -> Evidence:
        """The 17 landmarks; the 24 joints are missing."""
        found = decode_keypoints([outputs[name] for name in self._outputs], self._form)
        sides = np.array([request.side_px for request in requests])[:, None, None] * self._form.margin
        centers = np.stack([request.center_px for request in requests])[:, None]
        # The long side of the input shows the whole side, the short side its part.
        shown = np.array(self._form.input) / max(self._form.input)
        points = np.zeros((len(requests), NUM_POINTS, 3), np.float32)
        points[:, :NUM_COCO, :2] = centers + (found[..., :2] - 0.5) * shown * sides
        points[:, :NUM_COCO, 2] = peak_mass(found[..., 2])
        return Evidence(
            points_px=points,
            depth_m=np.full((len(requests), NUM_POINTS), np.nan, np.float32),
            person=None,
            features=None,
            crops=crops,
            outputs=outputs,
        )

    def part(self, evidence: Evidence, requests: list[CropRequest]) -> Evidence:
        """As it was: points alone do not tell whose they are."""
        return evidence


def open_keypoints(path: Path, runtime: Runtime, precision: Precision, threads: int) -> KeypointFrontEnd:
    """The network at ``path`` with the TOML file beside it.

    Raises ValueError for the latter, EngineError where the network cannot run here or is not what it says.
    """
    form = read_form(path)
    # Coordinates that bfloat16 rounds lie on a grid of 1/256 of the crop: float32 unless somebody asks otherwise.
    return KeypointFrontEnd(
        load_engine(path, runtime, "f32" if precision in ("auto", "int8") else precision, threads), form
    )

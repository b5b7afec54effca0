"""Ship a trained trunk or locator: ``python -m engines.training.export trunk --run RUN --preset small``.

Writes to engines/weights: NAME-PRESET.safetensors (training goes on from it), NAME-PRESET.onnx (float),
NAME-PRESET.int8.onnx (Q/DQ by NNCF on real crops) and NAME-PRESET.json (the sidecar), and prints what each
precision costs in accuracy.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx

from engines.locator import Locator, letterbox
from engines.networks.deploy import KEPT_FLOAT, build_locator, build_trunk, example_input
from engines.networks.shared_weights import refer_to_safetensors
from engines.networks.ship import ship
from engines.runtime import load_engine
from engines.runtime.onnx_norms import fold_norms
from engines.runtime.quantize import quantize
from engines.training.augment import AugmentRanges
from engines.training.evaluate.locator import detection_accuracy
from engines.training.evaluate.trunk import point_accuracy
from engines.training.locator_batches import load_photos
from engines.training.photos.person_crops import load_crops
from engines.training.start_weights import trained_weights
from engines.training.trunk_batches import PhotoSource, draw_batch
from kernels.decode_heatmaps import decode_heatmaps

WEIGHTS = Path(__file__).parents[1] / "weights"


def trunk_calibration(cache: Path, shared: Path, size_px: int) -> Iterator[dict[str, np.ndarray]]:
    """Training crops, lightly augmented."""
    source = PhotoSource(load_crops(cache, shared, "train"))
    ranges = AugmentRanges(rotation_deg=10, colour=0.5, occluder_probability=0.1)
    batch = draw_batch(np.random.default_rng(0), [(source, 1.0)], 300, size_px, ranges)
    for image in batch.images:
        yield {"crops": image[None]}


def locator_calibration(shared: Path, size_px: int) -> Iterator[dict[str, np.ndarray]]:
    """Whole validation photographs, letterboxed."""
    for photo in load_photos(shared, "val"):
        yield {"picture": letterbox(photo.image, size_px)[0][None]}


def main(argv: list[str] | None = None) -> int:
    """Command line; see --help."""
    parser = argparse.ArgumentParser(prog="python -m engines.training.export", description=__doc__)
    parser.add_argument("network", choices=("trunk", "locator"))
    parser.add_argument("--preset", default="small")
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--cache", type=Path, default=Path(".cache/training"))
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    arguments = parser.parse_args(argv)
    name, preset = arguments.network, arguments.preset
    average = trained_weights(arguments.run / "checkpoint.pt")
    prefix = "trunk." if name == "trunk" else "net."
    network = build_trunk(preset) if name == "trunk" else build_locator(preset)
    example = example_input(name, preset)
    size = example.shape[1]
    inputs, outputs = {network.inputs[0]: example}, network.outputs
    state = {prefix + key: value for key, value in average.items()}
    path = ship(network, name, preset, state, arguments.out, inputs, outputs)
    calibration = (
        trunk_calibration(arguments.cache, arguments.shared, size)
        if name == "trunk"
        else locator_calibration(arguments.shared, size)
    )
    with tempfile.TemporaryDirectory() as folder:
        folded = Path(folder) / path.name
        onnx.save(fold_norms(onnx.load(path)), folded)
        shutil.copy(path.with_suffix(".json"), folded.with_suffix(".json"))
        target = path.with_suffix(".int8.onnx")
        kept = KEPT_FLOAT if name == "trunk" else ()
        print(quantize(folded, calibration, target, keep_float=kept), flush=True)
        refer_to_safetensors(target, path.with_suffix(".safetensors"))
    for precision in ("f32", "bf16", "int8"):
        target = path.with_suffix(".int8.onnx") if precision == "int8" else path
        with load_engine(target, "openvino", precision) as engine:  # type: ignore[arg-type]
            if name == "locator":
                locator = Locator(engine, size, min_score=0.05)
                print(precision, detection_accuracy(locator, load_photos(arguments.shared, "val")), flush=True)
                continue
            val = load_crops(arguments.cache, arguments.shared, "val")

            def predict(images: np.ndarray, engine=engine) -> np.ndarray:
                heatmaps = [engine({"crops": image[None]})["heatmaps"] for image in images]
                return decode_heatmaps(np.concatenate(heatmaps), images.shape[1])

            for human in (True, False):
                print(
                    precision,
                    "human" if human else "teacher",
                    point_accuracy(predict, val, size, human=human),
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())

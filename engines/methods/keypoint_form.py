"""What a foreign keypoint network takes and gives, as the TOML file beside its ONNX file says.

    input = [192, 256]              # width, height of the picture it takes, pixels
    layout = "nchw"                 # or "nhwc"
    channels = "rgb"                # or "bgr"
    mean = [123.675, 116.28, 103.53]    # (value - mean) / std of values 0..255, in the order of its channels
    std = [58.395, 57.12, 57.375]
    form = "simcc"                  # "points", "heatmaps" or "simcc"
    outputs = ["simcc_x", "simcc_y"]    # names, where the network has others, too, or in another order

The first 17 of its points are COCO's. docs/keypoints.md has the files of well-known networks.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Triple = tuple[float, float, float]
Side = Annotated[int, Meta(ge=1, le=4096)]


class KeypointForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """See the module."""

    input: tuple[Side, Side]
    """Width and height, pixels."""
    form: Literal["points", "heatmaps", "simcc"]
    """points: (N, P, 3), or any shape of so many numbers; heatmaps: (N, P, h, w); simcc: (N, P, bins of the width) and
    (N, P, bins of the height)."""
    layout: Literal["nchw", "nhwc"] = "nchw"
    channels: Literal["rgb", "bgr"] = "rgb"
    mean: Triple = (0.0, 0.0, 0.0)
    std: Triple = (1.0, 1.0, 1.0)
    outputs: tuple[str, ...] = ()
    """Names of the outputs that hold the points; () takes the first, of simcc the first two."""
    order: Literal["xyc", "yxc"] = "xyc"
    """Of points: what the three numbers are; c is the confidence."""
    unit: Literal["fraction", "pixels"] = "fraction"
    """Of points: of the input's sides, or its pixels."""
    logits: bool = False
    """Whether confidences need a sigmoid."""
    cell: Annotated[float, Meta(ge=0, le=1)] = 0.5
    """Of heatmaps: where in a cell its value is meant to be; 0.5 is the middle."""
    confidence: Annotated[float, Meta(gt=0)] = 1.0
    """Factor that brings confidences to 0.3 for a guess and 0.8 for a plain sight; the result is cut at 1."""
    margin: Annotated[float, Meta(gt=0)] = 1.0
    """Long side of what the network sees over the side of the square that the trunk would see."""

    def __post_init__(self) -> None:
        if min(self.std) <= 0:
            raise ValueError(f"std is {self.std}, all three must be positive")
        if (self.input[0] - self.input[1]) % 2:
            raise ValueError(f"input is {self.input}, width and height must differ by an even number of pixels")
        wanted = 2 if self.form == "simcc" else 1
        if self.outputs and len(self.outputs) != wanted:
            raise ValueError(f"outputs names {len(self.outputs)} outputs, form {self.form} takes {wanted}")


def read_form(onnx_path: Path) -> KeypointForm:
    """The form in the TOML file beside ``onnx_path``. Raises ValueError where it is missing or not understood."""
    path = onnx_path.with_suffix(".toml")
    try:
        return msgspec.convert(tomllib.loads(path.read_text()), KeypointForm)
    except FileNotFoundError:
        raise ValueError(
            f"{path} is missing: it says what {onnx_path.name} takes and gives, see docs/keypoints.md"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise ValueError(f"{path} is no description of a keypoint network: {error}; see docs/keypoints.md") from error

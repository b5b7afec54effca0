"""Read a body model from a file: the shipped one, another bake, or a licensed SMPL file."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np

from engines.body.model import BodyModel, BodyModelError
from engines.body.rows import SparseRows

SHIPPED = Path(__file__).with_name("body.npz")
FORMAT = "bodystream-body/1"


def load_body(path: str | Path | None = None) -> BodyModel:
    """The shipped body model, or the one in `path`: a bake (.npz) or an SMPL file (.npz, .pkl).

    Raises BodyModelError if the file cannot be read as a body model; no code in it is ever executed.
    """
    path = SHIPPED if path is None else Path(path)
    if not path.is_file():
        raise BodyModelError(f"{path} is not a file; pass a body model (.npz) or an SMPL file (.npz, .pkl)")
    if path.suffix == ".pkl":
        return _from_smpl(path)
    try:
        with np.load(path, allow_pickle=False) as data:
            if "format" in data:
                return _from_bake({name: data[name] for name in data.files}, path)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise BodyModelError(f"{path} cannot be read as a body model: {error}") from error
    return _from_smpl(path)


def _from_smpl(path: Path) -> BodyModel:
    from engines.body.smpl_file import load_smpl  # decimation is not needed for a bake

    return load_smpl(path)


def _from_bake(arrays: dict[str, np.ndarray], path: Path) -> BodyModel:
    if str(arrays["format"]) != FORMAT:
        raise BodyModelError(f"{path} has format {arrays['format']}, this version reads {FORMAT}")
    try:
        meta = json.loads(str(arrays["meta"]))
        levels = range(int(meta["levels"]))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]

        def rows(name: str) -> SparseRows:
            return SparseRows(arrays[f"{name}_index"].astype(np.int32), arrays[f"{name}_weight"].astype(np.float32))

        def floats(name: str) -> np.ndarray:
            return arrays[name].astype(np.float32)

        return BodyModel(
            identity=f"{meta['name']}-{meta['version']}-{digest}",
            license=meta["license"],
            v_template=floats("v_template"),
            shapedirs=floats("shapedirs"),
            weights=floats("weights"),
            faces=tuple(arrays[f"faces{level}"].astype(np.int32) for level in levels),
            joints_template=floats("joints_template"),
            joints_shapedirs=floats("joints_shapedirs"),
            bind_to_tpose=floats("bind_to_tpose"),
            down=tuple(rows(f"down{level}") for level in levels[:-1]),
            up=tuple(rows(f"up{level}") for level in levels[:-1]),
            coco_regressor=rows("coco"),
        )
    except KeyError as error:
        raise BodyModelError(f"{path} lacks the entry {error}; bake it again") from error

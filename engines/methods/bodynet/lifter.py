"""`--method bodynet`: a first guess by the default lifter, the volume of the body, the body model fitted to both."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

import numpy as np

from engines.body import BodyModel
from engines.estimate import Surface
from engines.fitting.image_evidence import ImageEvidence
from engines.methods.bilayer import BilayerLifter
from engines.methods.bilayer import open_lifter as open_bilayer
from engines.methods.bodies import Bodies
from engines.methods.bodynet.fit import SurfaceFit
from engines.methods.bodynet.grid import GridView
from engines.methods.bodynet.inputs import network_inputs
from engines.methods.bodynet.surface import surface_mesh, surface_points
from engines.methods.evidence import CropRequest, Evidence
from engines.runtime import Engine, load_engine
from engines.runtime.engine import EngineUnavailable, Precision, Runtime

SURFACE_POINTS = 220


class BodyNetLifter:
    """See `engines.methods.trunk_method.Lifter`; ``engine``: `engines.networks.bodynet`, occupied cells or parts."""

    def __init__(self, engine: Engine, guess: BilayerLifter, body: BodyModel) -> None:
        self.engines = (*guess.engines, engine)
        self._engine, self._guess, self._fit = engine, guess, SurfaceFit(body)
        self._surfaces = False

    def show_surfaces(self) -> None:
        """Isosurfaces in the bodies from now on. Raises EngineUnavailable where scikit-image is not installed."""
        if find_spec("skimage") is None:
            raise EngineUnavailable("surfaces of volumes need scikit-image: pip install 'bodystream[surface]'")
        self._surfaces = True

    def __call__(self, evidence: Evidence, requests: list[CropRequest]) -> Bodies:
        """See `engines.methods.trunk_method.Lifter`."""
        guess = self._guess(evidence, requests)
        grid = GridView.of_requests(requests)
        occupancy = self.volumes(evidence, grid, guess.translation)
        seen = ImageEvidence.of(
            evidence.points_px,
            evidence.depth_m,
            [request.intrinsics for request in requests],
            grid.centers_px,
            self._fit.options.pull.noise.confidence_power,
        )
        found, surfaces = [], []
        for row, volume in enumerate(occupancy):
            here = slice(row, row + 1)
            body = Bodies(
                pose=guess.pose[here],
                betas=guess.betas[here],
                translation=guess.translation[here],
                joints=guess.joints[here],
            )
            surface = surface_points(volume, SURFACE_POINTS)
            if surface is not None:
                body = self._fit.fit(body, seen.rows(np.arange(row, row + 1)), grid.row(row), surface)
            found.append(body)
            if self._surfaces:
                surfaces.append(isosurface(volume, grid.row(row), body.translation))
        joined = {
            name: np.concatenate([getattr(body, name) for body in found])
            for name in ("pose", "betas", "translation", "joints")
        }
        return replace(guess, **joined, vertices=None, surfaces=tuple(surfaces))

    def volumes(self, evidence: Evidence, grid: GridView, root: np.ndarray) -> np.ndarray:
        """(B, G, G, G) occupancy, axes depth, height, width; root (B, 3): the pelvis as far as it is known."""
        side = next(spec.shape[1] for spec in self._engine.inputs if spec.name == "crops")
        assert side is not None
        outputs = self._engine(network_inputs(evidence, grid, root, side))
        return outputs["occupancy"] if "occupancy" in outputs else 1 - outputs["classes"][:, 0]


def isosurface(occupancy: np.ndarray, grid: GridView, root: np.ndarray) -> Surface | None:
    """The surface of one volume around the pelvis (1, 3); None where nobody is."""
    vertices, faces = surface_mesh(occupancy)
    if not len(faces):
        return None
    return Surface(vertices=grid.to_camera(vertices[None], root)[0].astype(np.float32), faces=faces)


def open_lifter(body: BodyModel, *, runtime: Runtime, precision: Precision, preset: str, threads: int) -> BodyNetLifter:
    """The shipped networks. Raises EngineError where they cannot run here."""
    from engines.methods import WEIGHTS

    guess = open_bilayer(body, runtime=runtime, precision=precision, preset=preset, threads=threads)
    # Not quantised: the sibling that int8 asks for does not exist.
    own: Precision = "auto" if precision == "int8" else precision
    engine = load_engine(WEIGHTS / f"bodynet-{preset}.onnx", runtime, own, threads)
    return BodyNetLifter(engine, guess, body)

"""Everything a person can wear, and a person dressed at random: posed drawings for the renderer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from engines.training.factory.base_mesh import EYES, SKIN_VERTICES, BaseMesh
from engines.training.factory.drawable import Surface, corner_surface, triangulate
from engines.training.factory.garments import Garment, load_garment
from engines.training.factory.materials import (
    clothes_material,
    eye_material,
    hair_material,
    painted_zone,
    skin_material,
)
from engines.training.factory.renderer import Drawing, Renderer

_TEXTURE_PX = 512


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """A garment and what it is coloured with."""

    garment: Garment
    texture: str | None
    """Its colours, or at least its folds (ambient occlusion), or None."""
    plain: bool
    """True where the texture has no colours."""
    sex: str


class Wardrobe:
    """Loaded clothes; textures are uploaded to the renderer when first worn."""

    def __init__(self, shared: Path, mesh: BaseMesh, renderer: Renderer) -> None:
        self._folder = shared / "data/clothes"
        self._mesh, self._renderer = mesh, renderer
        self._items: dict[str, list[Item]] = {}
        self._textures: dict[str, list[tuple[str, str]]] = {}
        for entry in json.loads((self._folder / "index.json").read_text()):
            files, kind = entry["files"], entry["kind"]
            if files.get("mhclo"):
                garment = load_garment(self._folder / files["mhclo"], self._folder / files["obj"], mesh)
                texture = files["diffuse"] or files["ao"]
                self._items.setdefault(kind, []).append(Item(garment, texture, not files["diffuse"], entry["sex"]))
            else:
                self._textures.setdefault(kind, []).append((files["diffuse"], entry["sex"]))
        quads = mesh.faces
        corners = np.stack([quads, mesh.face_uv], axis=-1)
        self._skin = self._base_surface(corners[(quads < SKIN_VERTICES).all(axis=1)])
        in_eye = np.any([(quads >= a).all(axis=1) & (quads < b).all(axis=1) for a, b in EYES], axis=0)
        self._eyes = self._base_surface(corners[in_eye])

    def dress(
        self,
        betas: np.ndarray,
        transforms: np.ndarray,
        person: int,
        pattern: np.ndarray,
        rng: np.random.Generator,
        *,
        clothed: bool = True,
    ) -> list[Drawing]:
        """A body of our model (betas (10,), skinning matrices (24, 4, 4)) in random clothes, or without any, bald.

        pattern: (h, w, 3) uint8 for cloth that is not drawn with its own texture.
        """
        shaped = self._mesh.shaped(betas)
        female = rng.random() < 0.5
        sex = "female" if female else "male"
        painted = clothed and rng.random() < 0.12
        worn = self._outfit(sex, painted, rng) if clothed else []
        hidden = np.zeros(len(shaped), bool)
        for item, _ in worn:
            hidden |= item.garment.hides
        skin_texture = self._texture("skin", sex, rng)
        zone = painted_zone(rng) if painted else None
        keep = ~hidden[self._skin.vertex[self._skin.triangles]].any(axis=1)
        out = [
            Drawing(
                surface=self._skin,
                corners=self._skin.posed(shaped, transforms),
                material=skin_material(skin_texture, pattern, zone, rng),
                person=person,
                keep=keep,
            ),
            Drawing(
                surface=self._eyes,
                corners=self._eyes.posed(shaped, transforms),
                material=eye_material(self._texture("eyes", sex, rng)),
                person=person,
            ),
        ]
        for item, kind in worn:
            texture = self._upload(item.texture) if item.texture else "white"
            if kind == "hair":
                material = hair_material(texture, item.plain, rng)
            else:
                material = clothes_material(texture, item.plain, pattern, rng)
            surface = item.garment.surface
            corners = surface.posed(item.garment.fit(shaped), transforms)
            out.append(Drawing(surface=surface, corners=corners, material=material, person=person))
        return out

    def _outfit(self, sex: str, painted: bool, rng: np.random.Generator) -> list[tuple[Item, str]]:
        """Items and what they are made of."""
        worn: list[tuple[Item, str]] = []
        if not painted:
            worn.append((self._choose("suit", sex, rng), "cloth"))
        if rng.random() < 0.85:
            worn.append((self._choose("shoes", sex, rng), "cloth"))
        if rng.random() < 0.12:
            worn.append((self._choose("hat", sex, rng), "cloth"))
        elif rng.random() < 0.85:
            worn.append((self._choose("hair", sex, rng), "hair"))
        worn.append((self._choose("eyebrows", sex, rng), "hair"))
        return worn

    def _choose(self, kind: str, sex: str, rng: np.random.Generator) -> Item:
        items = [item for item in self._items[kind] if item.sex in (sex, "any")]
        return items[rng.integers(len(items))]

    def _texture(self, kind: str, sex: str, rng: np.random.Generator) -> str:
        # Dark-skinned female skins are missing: a third of the women wear a male skin, whose body is the same.
        names = [name for name, s in self._textures[kind] if s in (sex, "any") or rng.random() < 0.34]
        return self._upload(names[rng.integers(len(names))])

    def _upload(self, name: str) -> str:
        if not self._renderer.has_texture(name):
            image = cv2.imread(str(self._folder / name), cv2.IMREAD_UNCHANGED)
            if image is None:
                raise ValueError(f"{self._folder / name} cannot be read as a picture")
            if image.ndim == 2:
                image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
            scale = _TEXTURE_PX / max(image.shape[:2])
            if scale < 1:
                image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            order = [2, 1, 0, 3][: image.shape[2]]
            self._renderer.texture(name, np.ascontiguousarray(image[..., order]))
        return name

    def _base_surface(self, quads: np.ndarray) -> Surface:
        return corner_surface(triangulate(quads), self._mesh.uv, self._mesh.weights, self._mesh.template)

"""Random colours of cloth, skin and hair; random textile patterns."""

from __future__ import annotations

import colorsys

import cv2
import numpy as np

from engines.keypoints import PART_NAMES
from engines.training.factory.renderer import Material

_ARMS = [PART_NAMES.index(f"{s}_{n}") for s in ("left", "right") for n in ("upper_arm", "forearm", "hand")]
_FOREARMS = [PART_NAMES.index(f"{s}_forearm") for s in ("left", "right")]
_UPPER_ARMS = [PART_NAMES.index(f"{s}_upper_arm") for s in ("left", "right")]
_THIGHS = [PART_NAMES.index(f"{s}_thigh") for s in ("left", "right")]
_SHINS = [PART_NAMES.index(f"{s}_shin") for s in ("left", "right")]
_TORSO, _HIPS = PART_NAMES.index("torso"), PART_NAMES.index("hips")
_NEUTRAL = np.tile(np.array([1, 1, 1, 0], np.float32), (len(PART_NAMES), 1))


def random_colour(rng: np.random.Generator) -> np.ndarray:
    """(3,) sRGB 0..1, as clothes have them: often grey, dark or white, sometimes saturated."""
    saturation = rng.beta(1, 2.2) if rng.random() < 0.75 else rng.uniform(0.6, 1)
    return np.array(colorsys.hsv_to_rgb(rng.random(), saturation, rng.beta(1.2, 1.0)), np.float32)


def hue_rotation(angle: float, saturation: float) -> np.ndarray:
    """(3, 3) float32: RGB turned by `angle` radians about the grey axis, its distance from grey scaled."""
    k = 1 / np.sqrt(3)
    cross = np.array([[0, -k, k], [k, 0, -k], [-k, k, 0]])
    grey = np.full((3, 3), 1 / 3)
    return (grey + saturation * (np.cos(angle) * (np.eye(3) - grey) + np.sin(angle) * cross)).astype(np.float32)


def random_pattern(photo: np.ndarray, rng: np.random.Generator, size: int = 128) -> np.ndarray:
    """Textile (size, size, 3) uint8: plain, stripes, checks, blobs, or a piece of a photograph."""
    kind = rng.choice(["plain", "stripes", "checks", "blobs", "photo"], p=[0.35, 0.2, 0.15, 0.12, 0.18])
    first, second = random_colour(rng), random_colour(rng)
    if kind == "photo":
        out = cv2.resize(photo, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        return (255 * np.clip(0.5 * out + 0.5 * first * out.mean(axis=2, keepdims=True) * 1.6, 0, 1)).astype(np.uint8)
    y, x = np.mgrid[:size, :size] / size * 2 * np.pi
    waves = rng.integers(2, 14)
    if kind == "plain":
        blend: np.ndarray = np.zeros((size, size), np.float32)
    elif kind == "stripes":
        blend = np.sin((x if rng.random() < 0.5 else y) * waves) > rng.uniform(-0.8, 0.8)
    elif kind == "checks":
        blend = 0.5 * (np.sin(x * waves) > 0) + 0.5 * (np.sin(y * waves) > 0)
    else:
        cells = rng.random((waves + 2, waves + 2)).astype(np.float32)
        blend = cv2.resize(cells, (size, size), interpolation=cv2.INTER_CUBIC) > 0.6
    out = first + np.asarray(blend, np.float32)[..., None] * (second - first)
    return (255 * np.clip(out + rng.normal(0, 0.02, out.shape), 0, 1)).astype(np.uint8)


def clothes_material(texture: str, plain: bool, pattern: np.ndarray, rng: np.random.Generator) -> Material:
    """Own colours turned and scaled, or a pattern; upper and lower half tinted apart. `plain`: it has no colours."""
    colour = hue_rotation(rng.uniform(0, 2 * np.pi) if rng.random() < 0.7 else 0.0, rng.uniform(0.4, 1.3))
    zone = _NEUTRAL.copy()
    if rng.random() < 0.5:
        zone[[_TORSO, *_ARMS], :3] = 0.35 + 0.9 * random_colour(rng)
        zone[[_HIPS, *_THIGHS, *_SHINS], :3] = 0.35 + 0.9 * random_colour(rng)
    replaced = plain or rng.random() < 0.3
    gain = float(rng.uniform(0.5, 1.4))
    return Material(
        albedo=texture,
        pattern=pattern if replaced else None,
        pattern_scale=float(rng.uniform(1, 6)),
        pattern_mix=1.0 if replaced else 0.0,
        colour=colour,
        gain=(gain, gain, gain),
        zone=zone,
        gloss=float(rng.exponential(0.02)),
        alpha_cut=0.3,
    )


def painted_zone(rng: np.random.Generator) -> np.ndarray:
    """(16, 4): tight clothes painted on the skin, from swimming trunks to a full suit."""
    zone = _NEUTRAL.copy()
    parts = [_HIPS]
    if rng.random() < 0.85:
        parts += [_TORSO, *(_UPPER_ARMS if rng.random() < 0.7 else []), *(_FOREARMS if rng.random() < 0.35 else [])]
    if rng.random() < 0.8:
        parts += [*_THIGHS, *(_SHINS if rng.random() < 0.6 else [])]
    zone[parts, 3] = 1
    lower = 0.4 + 0.6 * random_colour(rng)
    zone[[_HIPS, *_THIGHS, *_SHINS], :3] = np.where(zone[[_HIPS, *_THIGHS, *_SHINS], 3:] > 0, lower, 1)
    return zone


def skin_material(texture: str, pattern: np.ndarray, zone: np.ndarray | None, rng: np.random.Generator) -> Material:
    """Skin of random tone; `zone` from `painted_zone` or None."""
    tone = rng.uniform(0.45, 1.1)
    gain = tone * np.array([1.0, 0.97, 0.94]) ** (2.5 * max(0.0, 1 - tone)) * rng.normal(1, 0.03, 3)
    return Material(
        albedo=texture,
        pattern=pattern if zone is not None else None,
        pattern_scale=float(rng.uniform(2, 10)),
        colour=hue_rotation(rng.normal(0, 0.05), rng.uniform(0.7, 1.15)),
        gain=tuple(map(float, gain)),  # type: ignore[arg-type]
        zone=_NEUTRAL if zone is None else zone,
        gloss=float(rng.exponential(0.03)),
    )


def hair_material(texture: str, plain: bool, rng: np.random.Generator) -> Material:
    """Hair, mostly of natural colours; alpha below 0.4 is a hole."""
    natural = colorsys.hsv_to_rgb(rng.uniform(0.03, 0.12), rng.uniform(0, 0.7), rng.beta(1, 2))
    wanted = np.array(natural if rng.random() < 0.9 else random_colour(rng))
    gain = wanted if plain else rng.uniform(0.3, 1.6) * (0.6 + 0.4 * wanted / max(wanted.max(), 0.05))
    return Material(albedo=texture, gain=tuple(map(float, gain)), gloss=0.04, alpha_cut=0.4)  # type: ignore[arg-type]


def eye_material(texture: str) -> Material:
    return Material(albedo=texture, gloss=0.3)

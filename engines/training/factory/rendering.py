"""Render whole shards: what each worker process of the factory does."""

from __future__ import annotations

import argparse
import time

import numpy as np

SHARD_IMAGES = 512
VAL_SEED = 1 << 32
"""Added to validation seeds, so that no validation picture shares its random stream with a training one."""


def render_shards(args: argparse.Namespace, shards: list[int]) -> None:
    """Render the shards of these numbers; every shard depends on the seed and its number alone."""
    import cv2

    from engines.body import load_body
    from engines.training.factory.backgrounds import load_backgrounds
    from engines.training.factory.base_mesh import load_base_mesh
    from engines.training.factory.poses import load_poses
    from engines.training.factory.renderer import Renderer
    from engines.training.factory.scene import Studio
    from engines.training.factory.shards import write_shard
    from engines.training.factory.wardrobe import Wardrobe
    from engines.training.photos.tar_shards import OPEN_CLASSES

    cv2.setNumThreads(1)
    body = load_body()
    licences = (*OPEN_CLASSES, "unverified", "research", "unstated") if args.all_licences else OPEN_CLASSES
    renderer = Renderer()
    studio = Studio(
        body=body,
        poses=load_poses(args.shared, body, val=args.val, share_alike=not args.no_share_alike),
        wardrobe=Wardrobe(args.shared, load_base_mesh(body, args.shared, args.cache), renderer),
        renderer=renderer,
        backgrounds=load_backgrounds(args.shared, val=args.val, licences=licences),
        without=frozenset(args.without),
    )
    print(f"{renderer.device}; {len(studio.poses.rotvec)} poses, {len(studio.backgrounds)} backgrounds", flush=True)
    for shard in shards:
        path = args.out / f"{'val' if args.val else 'train'}-{shard:04d}.npz"
        if path.is_file() and not args.overwrite:
            print(f"{path} is there already", flush=True)
            continue
        count = min(SHARD_IMAGES, args.images - shard * SHARD_IMAGES)
        rng = np.random.default_rng([args.seed + (VAL_SEED if args.val else 0), shard])
        start = time.perf_counter()
        write_shard(path, [studio.shoot(rng) for _ in range(count)], body.identity)
        print(f"{path}: {count} images, {count / (time.perf_counter() - start):.1f} images/s", flush=True)
    renderer.close()

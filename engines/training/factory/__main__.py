"""python -m engines.training.factory --out DIR --images N --seed S: render shards of synthetic training crops."""

from __future__ import annotations

import argparse
import multiprocessing
import os
from pathlib import Path

from engines.training.factory.rendering import SHARD_IMAGES, render_shards
from engines.training.factory.scene import FACTORS


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m engines.training.factory", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the shards")
    parser.add_argument("--images", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--val", action="store_true", help="validation clips and backgrounds; writes val-*.npz")
    parser.add_argument("--shared", type=Path, default=Path("../shared"), help="folder that holds data/mocap etc.")
    parser.add_argument("--cache", type=Path, default=None, help="folder of the fitted base mesh")
    parser.add_argument("--workers", type=int, default=1, help="processes; each renders whole shards")
    parser.add_argument("--all-licences", action="store_true", help="backgrounds of any licence, not for shipping")
    parser.add_argument("--no-share-alike", action="store_true", help="leave the CC BY-SA poses (HDM05) out")
    parser.add_argument("--without", nargs="+", choices=FACTORS, default=(), help="keep these the same in all pictures")
    parser.add_argument("--overwrite", action="store_true", help="render shards again that are there already")
    args = parser.parse_args()
    if args.images < 1 or args.workers < 1:
        parser.error(f"--images is {args.images}, --workers is {args.workers}; both must be at least 1")
    if not (args.shared / "data/mocap").is_dir():
        parser.error(f"{args.shared / 'data/mocap'} is not a folder; pass --shared")
    os.environ.setdefault("LP_NUM_THREADS", "0")  # llvmpipe renders in the calling thread
    args.out.mkdir(parents=True, exist_ok=True)
    shards = list(range(-(-args.images // SHARD_IMAGES)))
    if args.workers == 1:
        render_shards(args, shards)
        return
    context = multiprocessing.get_context("spawn")  # a GL context does not survive a fork
    workers = [
        context.Process(target=render_shards, args=(args, shards[k :: args.workers])) for k in range(args.workers)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failed := [worker.exitcode for worker in workers if worker.exitcode]:
        raise SystemExit(f"{len(failed)} of {len(workers)} workers failed; their errors are above")


if __name__ == "__main__":
    main()

"""Small tar shards of photographs, laid out as the training material is."""

import io
import json
import tarfile

from engines.training.factory.codec import jpeg


def write_photos(folder, split, photos):
    """``photos``: (picture, JSON record) of each."""
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(folder / f"{split}-0000.tar", "w") as tar:
        for number, (picture, record) in enumerate(photos):
            for name, data in (
                (f"{number}.jpg", jpeg(picture, 95).tobytes()),
                (f"{number}.json", json.dumps(record).encode()),
            ):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))

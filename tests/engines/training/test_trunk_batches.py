"""Sources of samples and what is drawn from them."""

import numpy as np

from engines.training.photos.person_crops import MASK_SIZE_PX, PersonCrops
from engines.training.trunk_batches import PhotoSource, whole_batches


def test_people_are_drawn_as_often_as_their_rows_are_named():
    grey = np.array([10, 90, 200], np.uint8)
    crops = PersonCrops(
        images=np.broadcast_to(grey[:, None, None, None], (3, 48, 48, 3)),
        points=np.zeros((3, 17, 3), np.float32),
        box_px=np.ones((3, 2), np.float32),
        masks=np.zeros((3, MASK_SIZE_PX, MASK_SIZE_PX), np.uint8),
        human=np.ones(3, bool),
        scale=np.ones(3, np.float32),
    )
    source = PhotoSource(crops, rows=np.array([2, 0, 2]))
    (batch,) = whole_batches(source, 8, 16)
    assert batch.images[:, 8, 8, 0].tolist() == [200, 10, 200]
    assert len(PhotoSource(crops)) == 3

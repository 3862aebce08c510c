"""Rows that move (fastnet.augmentation), drawn into a buffer just before the steps that train on them."""

import math
from itertools import product

import numpy as np

from fastnet.augmentation import Augment
from fastnet.engine.inputs import Inputs
from fastnet.engine.threads import run_parallel
from fastnet.kernels.step.augment import Canvas, Motion, augment_rows
from fastnet.kernels.step.records import Batch

BUFFER = 2**19  # bytes: a few batches, which are still in L2 when the steps read them


class Augmenter:
    """Fills a buffer with rows of X that have moved.

    The rows are drawn for a few batches at a time, so nothing is stored for an epoch, and the steps are the same code
    on other rows. Whether zeros are skipped was decided by X as it was given: a few pixels' motion changes little.
    """

    def __init__(self, augment: Augment, inputs: Inputs, seed: int, threads: int):
        if inputs.is_csr:
            raise ValueError("augment needs X as a dense array of images, got a sparse matrix: pass X.toarray()")
        height, width = augment.for_width(inputs.width).shape or (0, 0)
        self.inputs = inputs
        self.motion = tuple(Motion(seed, float(augment.shift), math.radians(augment.rotate), height, width))
        self.canvas = tuple(_canvas(inputs.data.dtype, height, width, threads))
        self.buffer = np.empty(0, inputs.data.dtype)

    def steps(self, batch_size: int) -> int:
        """How many batches go into the buffer together; one, if it is larger than a buffer should be."""
        return max(1, BUFFER // max(1, batch_size * self.inputs.width * self.buffer.itemsize))

    def batch(self, batch: Batch, order: np.ndarray, numbers: np.ndarray, threads: int) -> Batch:
        """The rows of ``order`` moved, which have these numbers among all rows trained on."""
        n, (height, width) = len(order), map(int, self.motion[3:])
        if len(self.buffer) < n * height * width:
            self.buffer = np.empty(n * height * width, self.buffer.dtype)
        X = self.buffer[: n * height * width]
        run_parallel(threads, augment_rows, X, batch.X, order, numbers, self.motion, self.canvas, threads)
        labels, targets, weights = (
            a.reshape(self.inputs.rows, -1)[order].reshape(-1) if a.size else a
            for a in (batch.labels, batch.targets, batch.row_weights)
        )
        return batch._replace(X=X, labels=labels, targets=targets, row_weights=weights)


def _canvas(dtype: np.dtype, height: int, width: int, threads: int) -> Canvas:
    number = np.dtype(np.float32) if dtype == np.uint8 else dtype
    pixels, of_bytes = height * width, dtype == np.uint8
    places = np.array(list(product(range(height), range(width)))).T - [[(height - 1) / 2], [(width - 1) / 2]]
    return Canvas(
        grid=places.reshape(-1).astype(number),
        padded=np.zeros((threads, (height + 3) * (width + 2) + 1), dtype),
        quads=np.empty((threads, (height + 2) * (width + 2) if of_bytes else 0), np.uint32),
        where=np.empty((threads, pixels), np.int32),
        shares=np.empty((threads, 2 * pixels), number),
        corners=np.empty((threads, pixels), np.uint32) if of_bytes else np.empty((threads, 4 * pixels), dtype),
    )

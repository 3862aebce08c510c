"""All compiled code, in four rooms, to be read in this order:

    compile/  how: the machine's registers, the decorators, the cache on disk, Numba's private parts
    vector/   micro-kernels in LLVM vector code (tile, walk, softmax, ...) and the library that they make
    step/     training and prediction: Numba code that calls the micro-kernels
    named/    the public kernels, one operation each on plain arrays; re-exported here

Words. A *vector* is one register, ``lanes`` numbers (16 float32 with AVX-512, 8 with AVX2, 4 with NEON). A *panel* is
NV = 2 vectors of columns of a matrix, stored row after row, so that products stream memory. A *unit* is a block of rows
of W, as high as a panel is wide: one thread owns it and updates it while it is in L1. A *chunk* is up to 256 rows of a
batch that go through the network together. A *block* is a handful of rows that go through one piece of code together.

    W, 784 x 64, float32, AVX-512:         panel 0        panel 1
                                         32 columns     32 columns
                              row   0  [v0][v1]       [v0][v1]       v: a vector of 16 lanes
                unit 0  rows 0-31   1  [v0][v1]       [v0][v1]       in memory: all rows of panel 0,
                                  ...                                then all rows of panel 1
                unit 1  rows 32-63 32  [v0][v1]       [v0][v1]
                                  ...

One batch's way, in step/ unless a room is named:

 1. The Stepper (fastnet.engine.stepper) calls `train_steps` (train.py) with buffers, batch, tables and coefficients.
 2. For each chunk `choose` (gather.py) notes which rows of X it has.
 3. `run_chunk` (train.py) runs three parts, each on all threads; `part_of_thread` is one thread's share of a part.
 4. Part INPUTS, in large steps only: `inputs_of_thread` (first_layer.py) sums half of the inputs for all rows.
 5. Part ROWS: `rows_of_thread` (rows.py) takes a thread's rows through steps 6 to 10.
 6. `first_layer` (first_layer.py): X W + b. Dense X is copied into panels (gather.py) and goes through tiles
    (products.py, vector/tile.py). X with many zeros goes through flags (flags.py) and walks (vector/walk.py). A CSR
    matrix goes through its lists (lists.py).
 7. `layer_forward` (products.py) for the other layers: tiles, then the activation (vector/activations.py).
 8. `output_loss` (loss.py): each row's loss; the outputs become the delta.
 9. `network_backward` (rows.py): deltas of the hidden layers, by tiles on the transposed copy of W.
10. Dropout (dropout.py), where there is any, follows 7 and 9.
11. Part UNITS: `units_of_thread` (units.py) goes through a thread's units.
12. `update_unit`: the gradient of a unit (gradients.py), then the optimizer on it (vector/optimizers.py), then its
    transposed copy (vector/transpose.py). `bias_update` for the biases.
13. Where the gradient has a largest norm, or is wanted for itself, it is stored first (gradient_norm.py).

records.py describes what all of them pass on: Buffers, Batch, Tables (of PLAN, LAYER, UNIT records) and Chunk.
Everywhere arguments come in the order outputs, inputs, scalars, thread; half-open intervals are Spans; offsets count
elements of ``buffers.memory``.

Where something new goes. An activation: fastnet.functions, vector/activations.py, fastnet.reference. An optimizer:
fastnet.functions, vector/optimizers.py, fastnet.optimizers, fastnet.reference. A loss: fastnet.functions, loss.py,
fastnet.reference. A form of X: fastnet.engine.inputs and strategy, gather.py or a file like lists.py.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastnet.kernels.named import (
        adam_update,
        bias_gradient,
        binary_cross_entropy,
        dense_backward,
        dense_forward,
        momentum_update,
        mse,
        sgd_update,
        sigmoid_backward,
        softmax_cross_entropy,
        weight_gradient,
    )

__all__ = [
    "adam_update",
    "bias_gradient",
    "binary_cross_entropy",
    "dense_backward",
    "dense_forward",
    "momentum_update",
    "mse",
    "sgd_update",
    "sigmoid_backward",
    "softmax_cross_entropy",
    "weight_gradient",
]


def __getattr__(name: str) -> Any:
    """The named kernels, imported when they are first asked for.

    No module of a room would be reached otherwise while this one is being imported: two threads that import kernels at
    once, as `fastnet train` does, would wait for each other.
    """
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("fastnet.kernels.named"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

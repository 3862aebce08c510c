"""All compiled code, in four rooms, to be read in this order:

    compile/  how: the machine's registers, the decorators, the cache on disk, Numba's private parts
    vector/   micro-kernels in LLVM vector code (tile, walk, softmax, ...) and the library that they make
    step/     training and prediction: Numba code that calls the micro-kernels
    named/    the public kernels, one operation each on plain arrays; re-exported here

Words. A *vector* is one register, ``lanes`` numbers (16 float32 with AVX-512, 8 with AVX2, 4 with NEON). A *panel* is
NV = 2 vectors of columns of a matrix, stored row after row, so that products stream memory. A *unit* is some rows of W,
as many as a panel is wide: one thread owns it and updates it while it is in L1. A *chunk* is up to 256 rows of a batch
that go through the network together. Chunks of a large batch form *groups*.

    W, 784 x 64, float32, AVX-512:         panel 0        panel 1
                                         32 columns     32 columns
                              row   0  [v0][v1]       [v0][v1]       v: a vector of 16 lanes
                unit 0  rows 0-31   1  [v0][v1]       [v0][v1]       in memory: all rows of panel 0,
                                  ...                                then all rows of panel 1
                unit 1  rows 32-63 32  [v0][v1]       [v0][v1]
                                  ...

One batch's way, in step/ unless a room is named:

 1. The Stepper (fastnet.engine.stepper) calls `train_steps` (train.py) with buffers, batch, tables and steps, under the
    lock of `run_parallel` (fastnet.engine.threads). `steps_of_worker` is what one thread does for all steps, together
    with the others (crew.py).
 2. Before each chunk (chunks.py) one of them notes which rows of X it has, by `choose_rows` (gather.py); after it, the
    loss.
 3. A chunk has the parts INPUTS, ROWS and UNITS, each cut into shares; `do_share` is one of them. Small steps have
    no part INPUTS. Large batches have the part GROUPS in place of INPUTS and ROWS: `gradient_of_group` (groups.py)
    takes some chunks through 6 to 11 by itself, and UNITS adds the groups' gradients.
 4. Part INPUTS: `inputs_of_thread` (first_layer.py) computes X W of the first layer, as two sums, over either half of
    the inputs.
 5. Part ROWS: `rows_of_thread` (rows.py) takes a thread's rows through 6 to 9.
 6. `network_forward` (rows.py). First layer: `join_halves` adds the two sums, if there was a part INPUTS; otherwise
    `first_layer` does all of it. Dense X is copied into panels (gather.py) and goes through tiles (products.py,
    vector/tile.py). X with many zeros goes through flags (flags.py) and walks (vector/walk.py). A CSR matrix goes
    through its lists (lists.py). Other layers: `layer_forward` (products.py), tiles and then the activation
    (vector/activations.py). `keep_z` copies Z first where the derivative is by Z. Dropout acts on a hidden layer after
    its activation.
 7. `output_loss` (loss.py): each row's loss; the outputs become the delta. Smoothed labels: smoothing.py.
 8. `pack_delta` (rows.py) copies that delta into panels, which the gradients read.
 9. `network_backward` (rows.py): deltas of the hidden layers, by tiles on the transposed copy of W, times f'. With
    dropout, `dropped_derivative` (dropout.py) takes the place of f'.
10. Part UNITS: `units_of_thread` (units.py) goes through a thread's units. Before that, `column_lists` (lists.py) sorts
    the entries of a CSR matrix by input. In small batches with many zeros plain SGD updates the first W sample by
    sample (`scatter_rows`).
11. `update_unit`, or `sparse_unit` where zeros are skipped: the gradient (gradients.py), then the optimizer on it
    (vector/optimizers.py), then the transposed copy (vector/transpose.py). `bias_update` for the biases. Meanwhile the
    first rows of the next chunk are fetched (`fetch_next`, gather.py).
12. Where the gradient has a largest norm (gradient_norm.py), 11 only stores it. Then a chunk of no rows updates the
    weights by the gradient that `shorten_step` has shrunk.

What most runs do without, such as dropout or the rarer losses, is in rare pieces, compiled when a network wants them
(rare.py).

Rows of X that are images may move first: augment.py fills a buffer with some batches' rows, and 1 gets that as X.

records.py describes what all of them pass on: Buffers, Batch, Tables (of PLAN, LAYER, UNIT records), Steps and Chunk.
places.py has the addresses that follow from them. Arguments come in one order everywhere: what is written, what is
read, records, scalars, thread. Half-open intervals are Spans.

Where something new goes, beside fastnet.functions, which has its code, and fastnet.reference, which has its formula:

    activation   vector/activations.py; its derivative under dropout: step/dropout.py; as an output with mse: loss.py
    optimizer    vector/optimizers.py, fastnet.optimizers; a third moment: places_ahead in units.py, MOMENTS
                 in functions
    loss         loss.py, rare.py; fastnet.metrics and fastnet.divergence where it is not zero at best
    form of X    fastnet.engine.inputs and `way_through` in fastnet.engine.strategy; numbers: gather.py, flags.py,
                 predict_few.py; a listed form: a file like lists.py, with its cases in first_layer.py and units.py
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

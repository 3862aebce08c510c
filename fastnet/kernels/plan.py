"""Names for the numbers that describe a network and its buffers to the kernels: columns of `layers`, entries of `plan`.

Sizes and offsets travel as data, so that another width, depth, batch or activation compiles nothing new. Offsets count
elements of `memory`, the one array that holds weights, moments and scratch.

Activations and deltas lie in panels, [panel of NV vectors of columns][row][NV vectors], as weights do: every product
and every gradient then streams memory. Row-major are X where zeros are skipped and the outputs, whose rows the loss
takes whole: panels side by side, with a row's width for row stride and a panel's for block.
"""

# Columns of layers (L, N_COLUMNS), one row for each weight matrix.
(
    FAN_IN,
    FAN_OUT,
    VECTORS,  # vectors that cover fan_out
    WEIGHTS,  # panels of W: [panel][fan_in, padded][NV vectors]
    PANEL,  # elements from one panel to the next
    TRANSPOSED,  # panels of W transposed, [panel over fan_in][fan_out, padded][NV vectors]; not for the first layer
    PANEL_T,
    BIAS,
    A_IN,  # activations that enter
    LD_IN,  # from a row to the next
    BLOCK_IN,  # from a panel to the next
    A_OUT,  # activations that leave; the last layer's become its delta
    LD_OUT,
    BLOCK_OUT,
    DELTA,  # dLoss/dZ of this layer, strides as of A_OUT
    DELTA_PANELS,  # the same in panels: the same place, but for the last layer
    ACTIVATION,
) = range(17)
N_COLUMNS = 17

# Entries of plan.
(
    N_LAYERS,
    TRAINS,  # 1: a step, whose gradient wants the transposed flags; 0: outputs alone
    INPUT,  # DENSE, SKIP or LISTS
    CHUNK,  # rows that the buffers hold, a multiple of 16
    GRAIN,  # a thread's rows start at a multiple of this
    HALF,  # first input of the second half, where the first layer's sums are taken in halves; else 0
    Z_HALF,  # the second half's sums, laid out as A_OUT of the first layer
    MOMENTS,  # from a weight to its first moment, and from that to its second
    GRADIENT,  # from a weight to its stored gradient
    SCATTER,  # 1: the first layer's plain SGD step is added to W sample by sample
    RULE,
    LOSS,
    TABLE,  # the 256 values of a byte
    ZEROS,  # a row of zeros
    FACTOR,  # one number a row: scale times weight
    ROW_LOSS,
    CLIP,  # -log(1 - eps) and -log(eps), the bounds of a reported loss, and eps; 0 for no bounds
    SQUARES,  # one vector for each unit: sums of squared weights
    SCRATCH,  # per thread, SCRATCH_SIZE elements
    SCRATCH_SIZE,
    BLOCK,  # from a panel of activations or deltas to the next, [row][NV vectors]
    FLAGS_T,  # offset in `flags` of the transposed flags of a batch, [block of 64 rows][input][row]
    COUNTS,  # in `lists`: entries of each input in the batch, where they end, their rows; their values in `memory`
    ENDS,
    ENTRIES,
    VALUES,
    N_UNITS,
    DROPOUT,  # chance of a hidden unit to be dropped, times 2^32; 0 for no dropout
    SEED,  # of those draws
    ROWS_SEEN,  # rows trained on before this call
    MAX_NORM,  # the largest norm of a step's gradient; 0 for no limit
) = range(31)
N_PLAN = 31

DENSE, SKIP, LISTS = range(3)

# Columns of units (U, 3): a block of rows of one layer's W, updated by one thread.
LAYER, FIRST_ROW, ROWS = range(3)

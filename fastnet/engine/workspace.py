"""Every buffer of a run, sized from (sizes, batch, threads) and allocated once.

One aligned array, ``memory``, holds the packed weights, their moments, an optional stored gradient and all scratch.
Kernels find their way by records of offsets (fastnet.kernels.step.records).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fastnet.engine.inputs import Inputs
from fastnet.engine.layout import Offsets, aligned, layout, pack, round_up, row_stride, unpack
from fastnet.engine.strategy import Strategy
from fastnet.functions import MOMENTS
from fastnet.kernels.compile.target import CACHE_LINE, lanes_of
from fastnet.kernels.step.dropout import drop_threshold
from fastnet.kernels.step.records import DENSE, LAYER, LISTS, PLAN, SKIP, UNIT, Tables
from fastnet.kernels.vector.nonzero import BITS
from fastnet.kernels.vector.tile import NV
from fastnet.kernels.vector.walk import WIDEST

COPIED = 1.2  # updating a row of W that has a transposed copy costs this many times a row that has none
EMPTY = 0.1  # an input that is always zero still costs this share of one that never is


@dataclass(frozen=True)
class Rules:
    """What steps do with a batch, but for the coefficients that each of them gets.

    loss, rule : codes of fastnet.functions.
    clip_loss : report the losses of probabilities kept eps away from 0 and 1, as scikit-learn does.
    max_norm : None, or the largest norm that the gradient of a step, L2 included, is allowed; a longer one is scaled.
    dropout : chance of a hidden neuron to be left out for a row, drawn from ``seed`` and the number of that row among
        all rows trained on.
    """

    loss: int
    rule: int
    clip_loss: bool = False
    max_norm: float | None = None
    dropout: float = 0.0
    seed: int = 0


def cut_by_work(work: np.ndarray, n: int) -> np.ndarray:
    """Bounds (n + 1,) that cut a run of units into n runs of about the same work, which is positive."""
    done = np.concatenate([[0.0], np.cumsum(work)]) / work.sum()
    return np.abs(done[:, None] - np.linspace(0, 1, n + 1)).argmin(0)


class Workspace:
    """Buffers and records for one network under one Strategy, for a number of threads or one.

    entries : most entries that a chunk of rows of a CSR matrix can hold.
    keep_gradient : the gradient gets a place of its own, for batches of several chunks.
    trains : False for predictions alone, which need no deltas.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activations: Sequence[int],
        strategy: Strategy,
        rules: Rules,
        inputs: Inputs,
        threads: int,
        *,
        keep_gradient: bool = False,
        entries: int = 0,
        trains: bool = True,
    ):
        dtype = inputs.table.dtype
        self.sizes, self.lanes, self.itemsize = list(sizes), lanes_of(dtype.itemsize), dtype.itemsize
        self.width = NV * self.lanes
        self.panels = layout(sizes, dtype.itemsize)
        self.packed = self.panels[-1].end
        self.plans, self.layers = np.zeros(1, PLAN), np.zeros(len(self.panels), LAYER)
        self.plan = self.plans[0]

        offsets = Offsets(dtype.itemsize)
        self._place_weights(offsets, rules, keep_gradient)
        self._place_constants(offsets, rules)
        self.scratch = offsets.end  # all that follows is written before it is read
        self._describe(activations, strategy, rules)
        skips = strategy.input != DENSE
        work = self._make_units(inputs.densities + EMPTY if skips else np.ones(sizes[0]))
        self._place_scratch(offsets, strategy, threads, entries, trains)
        self.splits = {n: cut_by_work(work, n) for n in {threads, 1}}

        self.memory = aligned(offsets.end, dtype)
        self._fill_constants(inputs.table, rules)
        self._make_buffers(strategy, entries)
        for records in (self.plans, self.layers, self.units):
            records.flags.writeable = False

    @property
    def buffers(self) -> tuple[np.ndarray, ...]:
        """As kernels take them."""
        return self.memory, self.flags, self.samples, self.lists

    def tables(self, threads: int) -> tuple[np.ndarray, ...]:
        """As kernels take them, to run on so many threads: as many as were asked for, or one."""
        return tuple(Tables(self.plans, self.layers, self.units, self.splits[threads]))

    def _place_weights(self, offsets: Offsets, rules: Rules, keep_gradient: bool) -> None:
        """Packed weights first, then what is laid out as they are, then the transposed copies."""
        plan, width = self.plan, self.width
        offsets.take((1 + MOMENTS[rules.rule]) * self.packed)
        plan["moments"] = self.packed if MOMENTS[rules.rule] else 0
        plan["gradient"] = offsets.take(self.packed) if keep_gradient else 0
        for l, (row, layer) in enumerate(zip(self.layers, self.panels, strict=True)):
            row["fan_in"], row["fan_out"], row["vectors"] = layer.fan_in, layer.fan_out, layer.vectors
            row["weights"], row["weights_stride"], row["bias"] = layer.weights, layer.stride, layer.bias
            if l > 0:
                row["transposed_stride"] = round_up(layer.fan_out, width) * width
                row["transposed"] = offsets.take(-(-layer.fan_in // width) * int(row["transposed_stride"]))

    def _place_constants(self, offsets: Offsets, rules: Rules) -> None:
        self.plan["table"] = offsets.take(256)
        self.plan["zeros"] = offsets.take(round_up(self.sizes[-1], self.lanes))
        self.plan["loss_bounds"] = offsets.take(3) if rules.clip_loss else 0
        self.plan["max_norm"] = offsets.take(1) if rules.max_norm else 0

    def _fill_constants(self, table: np.ndarray, rules: Rules) -> None:
        memory, number = self.memory, self.memory.dtype
        memory[int(self.plan["table"]) :][:256] = table
        if rules.clip_loss:
            eps = np.finfo(number).eps
            memory[int(self.plan["loss_bounds"]) :][:3] = -np.log1p(-eps), -np.log(eps), eps
        if rules.max_norm:
            memory[self.plan["max_norm"]] = rules.max_norm

    def _describe(self, activations: Sequence[int], strategy: Strategy, rules: Rules) -> None:
        plan = self.plan
        plan["n_layers"], plan["rule"], plan["loss"] = len(self.panels), rules.rule, rules.loss
        plan["dropout"], plan["seed"] = drop_threshold(rules.dropout), rules.seed
        plan["input"], plan["chunk_rows"], plan["grain"] = strategy.input, strategy.chunk_rows, strategy.grain
        self.layers["activation"] = activations

    def _place_scratch(self, offsets: Offsets, strategy: Strategy, threads: int, entries: int, trains: bool) -> None:
        plan, chunk = self.plan, strategy.chunk_rows
        plan["factor"], plan["row_loss"] = offsets.take(chunk), offsets.take(chunk)
        plan["squares"] = offsets.take(2 * self.lanes * len(self.units))
        most = max(WIDEST // NV * self.width**2, *(layer.end - layer.bias for layer in self.panels))
        plan["scratch_size"] = round_up(most, 64)
        plan["scratch"] = offsets.take(threads * int(plan["scratch_size"]))
        room = self._place_activations(offsets, strategy, trains)
        plan["values"] = offsets.take(entries)
        if strategy.halves:
            plan["half"], plan["z_half"] = self.half, offsets.take(room)

    def _place_activations(self, offsets: Offsets, strategy: Strategy, trains: bool) -> int:
        """Give every activation and delta its place; returns the elements of the first layer's outputs."""
        chunk = strategy.chunk_rows
        panel_stride = (chunk + 1) * self.width  # one row more, or a row's panels would meet in one cache set
        self.plan["panel_stride"] = panel_stride
        places = []  # of X, hidden activations, outputs: (start, row stride, panel stride, elements)
        for l, n in enumerate(self.sizes):
            if l == len(self.sizes) - 1 or (l == 0 and strategy.input != DENSE):
                stride, panel = row_stride(n, self.lanes, self.itemsize), self.width
                room = 0 if l == 0 and strategy.input == LISTS else chunk * stride
            else:
                stride, panel, room = self.width, panel_stride, -(-n // self.width) * panel_stride
            places.append((offsets.take(room), stride, panel, room))
        for l, (row, layer) in enumerate(zip(self.layers, self.panels, strict=True)):
            row["a_in"], row["row_stride_in"], row["panel_stride_in"], _ = places[l]
            row["a_out"], row["row_stride_out"], row["panel_stride_out"], _ = places[l + 1]
            row["delta_panels"] = offsets.take(layer.count * panel_stride) if trains else 0
            row["delta"] = row["a_out"] if l == len(self.panels) - 1 else row["delta_panels"]
        return places[1][3]

    def _make_units(self, input_work: np.ndarray) -> np.ndarray:
        """Make the units, blocks of ``width`` rows of every W; returns the work in each.

        First come the upper halves of all layers, then the lower. Two threads then own the same rows of the first layer
        in forward as in the update. The first layer comes last: it is in the cache of its thread when the next step
        begins.
        """
        units, work, later = [], [], []
        for l, layer in enumerate(self.panels):
            first = np.arange(0, layer.fan_in, self.width)
            rows = np.minimum(self.width, layer.fan_in - first)
            weights = np.add.reduceat(input_work, first) if l == 0 else rows * COPIED
            units.append(np.stack([np.full(len(first), l), first, rows], axis=1))
            work.append(weights * layer.vectors)
            later.append(np.arange(len(first)) >= cut_by_work(work[-1], 2)[1])
        self.half = self.width * int(np.count_nonzero(~later[0]))
        blocks = np.concatenate(units)
        order = np.lexsort((-blocks[:, 0], np.concatenate(later)))
        self.units = np.ascontiguousarray(blocks[order]).view(UNIT).reshape(-1)
        return np.concatenate(work)[order]

    def _make_buffers(self, strategy: Strategy, entries: int) -> None:
        """The buffers that do not hold floats."""
        d, chunk = self.sizes[0], strategy.chunk_rows
        skips, lists = strategy.input == SKIP, strategy.input == LISTS
        self.plan["flags_t"] = round_up(chunk * d, CACHE_LINE) if skips else 0
        self.flags = aligned(int(self.plan["flags_t"]) + d * round_up(chunk, BITS) if skips else 0, np.uint8)
        self.samples = np.zeros((3, chunk), np.int64)
        self.plan["ends"], self.plan["entries"] = d, 2 * d
        self.lists = np.zeros(2 * d + entries if lists else 0, np.int32)

    def fill(self, value: float) -> None:
        """Overwrite all scratch: a kernel that reads what it did not write shows itself."""
        self.memory[self.scratch :] = value
        self.flags[:] = 255

    def load(self, params: np.ndarray, moments: Sequence[np.ndarray]) -> None:
        """Pack the flat vectors of weights and moments; bring the transposed copies up to date."""
        for i, vector in enumerate([params, *moments]):
            pack(self.memory[i * self.packed : (i + 1) * self.packed], vector, self.sizes, self.panels)
        for row, layer in zip(self.layers[1:], self.panels[1:], strict=True):
            blocks, _ = layer.views(self.memory)
            start, size = int(row["transposed"]), int(row["transposed_stride"])
            for i, first in enumerate(range(0, layer.fan_in, layer.width)):
                target = self.memory[start + i * size : start + (i + 1) * size].reshape(-1, layer.width)
                for j in range(layer.count):
                    square = blocks[j, first : first + layer.width].T
                    target[j * layer.width : (j + 1) * layer.width, : square.shape[1]] = square

    def store(self, params: np.ndarray, moments: Sequence[np.ndarray]) -> None:
        """Unpack weights and moments into flat vectors."""
        for i, vector in enumerate([params, *moments]):
            unpack(vector, self.memory[i * self.packed : (i + 1) * self.packed], self.sizes, self.panels)

    def store_gradient(self, gradient: np.ndarray) -> None:
        """Unpack the stored gradient into a flat vector."""
        start = int(self.plan["gradient"])
        unpack(gradient, self.memory[start : start + self.packed], self.sizes, self.panels)

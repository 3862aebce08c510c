"""Every buffer of a run, sized from (sizes, batch, threads) and allocated once.

One aligned array, ``memory``, holds the packed weights, their moments, an optional stored gradient and all scratch.
Kernels find their way by records of offsets (fastnet.kernels.step.records).
"""

from collections.abc import Sequence

import numpy as np

from fastnet.engine.inputs import Inputs
from fastnet.engine.layout import Offsets, aligned, cut_by_work, layout, pack, round_up, row_stride, unpack
from fastnet.engine.strategy import EMPTY, Strategy, first_half
from fastnet.engine.task import Task
from fastnet.functions import BY_Z, CROSS_ENTROPY, IDENTITY, MOMENTS
from fastnet.kernels.compile.target import CACHE_LINE, lanes_of
from fastnet.kernels.step.dropout import drop_threshold
from fastnet.kernels.step.rare import want_rare
from fastnet.kernels.step.records import DENSE, LAYER, LISTS, PLAN, SAMPLE_ROWS, SKIP, UNIT, Buffers, Tables
from fastnet.kernels.vector.nonzero import BITS
from fastnet.kernels.vector.shapes import WIDEST
from fastnet.kernels.vector.tile import NV

NOTES = 8  # numbers for which there is room behind a kept gradient
APART = 16  # numbers of 8 bytes, two cache lines, for each that threads wait for: lines are fetched in pairs
COPIED = 1.2  # updating a row of W that has a transposed copy costs this many times a row that has none


class Workspace:
    """Buffers and records for one network under one Strategy, for a number of threads or one.

    entries : most entries that a chunk of rows of a CSR matrix can hold.
    keep_gradient : the gradient gets a place of its own, for several chunks or a largest norm; groups have it always.
    trains : False for predictions alone, which need no deltas and no transposed copies.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activations: Sequence[int],
        strategy: Strategy,
        task: Task,
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
        self.desks = max(1, min(threads, strategy.groups))  # see fastnet.kernels.step.groups
        self.plans = np.zeros(self.desks * max(1, strategy.groups), PLAN)
        self.all_layers = np.zeros((self.desks, len(self.panels)), LAYER)
        self.plan, self.layers = self.plans[0], self.all_layers[0]

        offsets = Offsets(dtype.itemsize)
        self.trains = trains
        self._place_weights(offsets, task, keep_gradient, strategy.groups)
        self._place_constants(offsets, task)
        self.scratch = offsets.end  # all that follows is written before it is read
        self._describe(activations, strategy, task)
        by_density = trains and strategy.input != DENSE
        self.units, work, self.half = self._units(inputs.densities + EMPTY if by_density else np.ones(sizes[0]))
        self._place_all_scratch(offsets, strategy, threads, entries)
        self.splits = {n: cut_by_work(work, n) for n in {threads, 1}}

        self.memory = aligned(offsets.end, dtype)
        self._fill_constants(inputs.table, task)
        self._make_buffers(strategy, entries, threads)
        for records in (self.plans, self.all_layers, self.units):
            records.flags.writeable = False
        self.plan, self.layers = self.plans[0], self.all_layers[0]  # views that cannot be written either
        want_rare(self.plan, self.layers)

    @property
    def buffers(self) -> tuple[np.ndarray, ...]:
        """As kernels take them."""
        return tuple(Buffers(self.memory, self.flags, self.samples, self.lists, self.turns, self.group_losses))

    def tables(self, threads: int) -> tuple[np.ndarray, ...]:
        """As kernels take them, to run on so many threads: as many as were asked for, or one."""
        return tuple(Tables(self.plans, self.all_layers.reshape(-1), self.units, self.splits[threads], self.splits[1]))

    def _place_weights(self, offsets: Offsets, task: Task, keep_gradient: bool, groups: int) -> None:
        """Packed weights first, then what is laid out as they are, then the transposed copies."""
        plan, width = self.plan, self.width
        offsets.take((1 + MOMENTS[task.rule]) * self.packed)
        plan["moments"] = self.packed if MOMENTS[task.rule] else 0
        places = [offsets.take(self.packed + NOTES) for _ in range(max(1, groups))] if keep_gradient or groups else [0]
        self.plans["gradient"] = np.tile(places, self.desks)
        for l, (row, layer) in enumerate(zip(self.layers, self.panels, strict=True)):
            row["fan_in"], row["fan_out"], row["vectors"] = layer.fan_in, layer.fan_out, layer.vectors
            row["weights"], row["weights_stride"], row["bias"] = layer.weights, layer.stride, layer.bias
            if l > 0 and self.trains:
                row["transposed_stride"] = round_up(layer.fan_out, width) * width
                row["transposed"] = offsets.take(-(-layer.fan_in // width) * int(row["transposed_stride"]))

    def _place_constants(self, offsets: Offsets, task: Task) -> None:
        self.plan["byte_values"] = offsets.take(256)
        self.plan["zeros"] = offsets.take(round_up(self.sizes[-1], self.width))
        self.plan["loss_bounds"] = offsets.take(3) if task.clip_loss else 0
        self.plan["max_norm"] = offsets.take(1) if task.max_norm else 0
        self.plan["smoothing"] = offsets.take(2) if task.smoothing else 0

    def _fill_constants(self, table: np.ndarray, task: Task) -> None:
        memory, number = self.memory, self.memory.dtype
        memory[int(self.plan["byte_values"]) :][:256] = table
        self.plans["linear"] = np.array_equal(table, np.arange(256).astype(number) * table[1])
        if task.clip_loss:
            eps = np.finfo(number).eps
            memory[int(self.plan["loss_bounds"]) :][:3] = -np.log1p(-eps), -np.log(eps), eps
        if task.max_norm:
            memory[self.plan["max_norm"]] = task.max_norm
        if task.smoothing:
            even = 1 / self.sizes[-1] if task.loss == CROSS_ENTROPY else 1 / 2
            memory[int(self.plan["smoothing"]) :][:2] = task.smoothing, even

    def _describe(self, activations: Sequence[int], strategy: Strategy, task: Task) -> None:
        plan = self.plan
        plan["n_layers"], plan["rule"], plan["loss"] = len(self.panels), task.rule, task.loss
        plan["seed"] = task.seed
        plan["input"], plan["chunk_rows"], plan["grain"] = strategy.input, strategy.chunk_rows, strategy.grain
        plan["tiled"], plan["groups"] = strategy.tiled, strategy.groups
        self.layers["activation"] = self.layers["forward"] = activations
        self.layers["forward"][-1] = IDENTITY
        self.layers["dropout"][:-1] = [drop_threshold(p) for p in task.dropouts(len(self.panels) - 1)]

    def _place_all_scratch(self, offsets: Offsets, *arguments) -> None:
        """Scratch for each desk; only the places of that differ, and the gradients of the groups."""
        plans = self.plans.reshape(self.desks, -1)
        for desk in range(self.desks):
            if desk > 0:
                plans[desk, 0], self.all_layers[desk] = plans[0, 0], self.all_layers[0]
            self.plan, self.layers = plans[desk, 0], self.all_layers[desk]
            self._place_scratch(offsets, *arguments)
            for group in range(1, plans.shape[1]):
                gradient = plans[desk, group]["gradient"]
                plans[desk, group] = plans[desk, 0]
                plans[desk, group]["gradient"] = gradient
        self.plan, self.layers = plans[0, 0], self.all_layers[0]

    def _place_scratch(self, offsets: Offsets, strategy: Strategy, threads: int, entries: int) -> None:
        plan, chunk = self.plan, strategy.chunk_rows
        plan["factor"], plan["row_loss"] = offsets.take(chunk), offsets.take(chunk)
        plan["smoothed"] = offsets.take(chunk) if plan["smoothing"] else 0
        plan["squares"] = offsets.take(2 * self.lanes * len(self.units))
        most = max(WIDEST // NV * self.width**2, *(layer.end - layer.bias for layer in self.panels))
        plan["scratch_size"] = round_up(most, 64)
        in_scratch = 0 if strategy.groups else threads  # gradients that have no place of their own
        plan["scratch"] = offsets.take(in_scratch * int(plan["scratch_size"]))
        room = self._place_activations(offsets, strategy)
        plan["values"] = offsets.take(entries)
        if strategy.halves:
            plan["half"], plan["z_half"] = self.half, offsets.take(room)

    def _place_activations(self, offsets: Offsets, strategy: Strategy) -> int:
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
            row["delta_panels"] = offsets.take(layer.count * panel_stride) if self.trains else 0
            row["delta"] = row["a_out"] if l == len(self.panels) - 1 else row["delta_panels"]
            row["derivative_from"] = row["a_out"]
            if self.trains and l < len(self.panels) - 1 and row["activation"] in BY_Z:
                row["z"] = row["derivative_from"] = offsets.take(places[l + 1][3])
                row["forward"] = IDENTITY
        return places[1][3]

    def _units(self, input_work: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
        """(units: ``width`` rows of every W each, the work in each, first input of the first layer's second half).

        First come the upper halves of all layers, then the lower. Two threads then own the same rows of the first layer
        in forward as in the update. The first layer comes last: it is in the cache of its thread when the next step
        begins.
        """
        units, work, later, half = [], [], [], 0
        for l, layer in enumerate(self.panels):
            first = np.arange(0, layer.fan_in, self.width)
            rows = np.minimum(self.width, layer.fan_in - first)
            row_work = np.add.reduceat(input_work, first) if l == 0 else rows * COPIED
            units.append(np.stack([np.full(len(first), l), first, rows], axis=1))
            work.append(row_work * layer.vectors)
            middle = first_half(work[-1], layer.fan_in, self.width)
            half = middle * self.width if l == 0 else half
            later.append(np.arange(len(first)) >= middle)
        found = np.concatenate(units)
        order = np.lexsort((-found[:, 0], np.concatenate(later)))
        return np.ascontiguousarray(found[order]).view(UNIT).reshape(-1), np.concatenate(work)[order], half

    def _make_buffers(self, strategy: Strategy, entries: int, threads: int) -> None:
        """The buffers that do not hold floats."""
        d, chunk = self.sizes[0], strategy.chunk_rows
        skips, lists = strategy.input == SKIP, strategy.input == LISTS
        self.plans["flags_t"] = round_up(chunk * d, CACHE_LINE) if skips else 0
        flags = round_up(int(self.plan["flags_t"]) + d * round_up(chunk, BITS), CACHE_LINE) if skips else 0
        self.flags = aligned(self.desks * flags, np.uint8)
        self.samples = np.zeros((self.desks * SAMPLE_ROWS, chunk), np.int64)
        self.plans["ends"], self.plans["entries"] = d, 2 * d
        self.lists = np.zeros(2 * d + entries if lists else 0, np.int32)
        self.group_losses = np.zeros(strategy.groups)
        self.turns = aligned((2 + max(threads, strategy.groups)) * APART, np.int64).reshape(-1, APART)

    def fill(self, value: float) -> None:
        """Overwrite all scratch: a kernel that reads what it did not write shows itself."""
        self.memory[self.scratch :] = value
        self.flags[:] = 255

    def load(self, params: np.ndarray, moments: Sequence[np.ndarray]) -> None:
        """Pack the flat vectors of weights and moments; bring the transposed copies up to date."""
        for i, vector in enumerate([params, *moments]):
            pack(self.memory[i * self.packed : (i + 1) * self.packed], vector, self.sizes, self.panels)
        if not self.trains:
            return
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

    @property
    def kept_gradient(self) -> np.ndarray:
        """The stored gradient as it lies in memory, and room for NOTES numbers."""
        start = int(self.plan["gradient"])
        return self.memory[start : start + self.packed + NOTES]

    def store_gradient(self, gradient: np.ndarray) -> None:
        """Unpack the stored gradient into a flat vector."""
        unpack(gradient, self.kept_gradient[: self.packed], self.sizes, self.panels)

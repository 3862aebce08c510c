"""The weights of a network: those of the first layer as images, and all as histograms."""

import math
from typing import TYPE_CHECKING

import numpy as np

from fastnet.pictures.mistakes import checked_shape
from fastnet.pictures.style import Picture, histogram, panels, styled

if TYPE_CHECKING:
    from fastnet.network import Network

SAMPLE = 1 << 20  # weights of a layer that a histogram looks at
BINS = 60


@styled
def first_layer(net: "Network", image_shape: tuple[int, int] | None = None, *, most: int = 64) -> Picture:
    """The weights that lead to each unit of the first layer, as an image: blue pixels speak against it, red for it.

    image_shape : (h, w) of the inputs, None for a square; ValueError where they are no image. All images have one
    scale, which 0.5 % of the weights exceed. most : units that are shown, the first ones.
    """
    shape, n = checked_shape(image_shape, net.sizes[0]), min(most, net.sizes[1])
    weights = np.nan_to_num(net.W[0][:, :n].astype(np.float64))
    limit = float(np.quantile(np.abs(weights), 0.995)) or 1.0
    figure, axes = panels(n, 8, width=0.62, height=0.62, pad=0.02)
    for unit, axis in enumerate(axes):
        axis.imshow(weights[:, unit].reshape(shape), cmap="RdBu_r", vmin=-limit, vmax=limit)
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    return figure


@styled
def weight_histograms(net: "Network") -> Picture:
    """How many weights of each layer have which value, from W[l] without the biases."""
    figure, axes = panels(len(net.W), 3, width=2.6, height=2.0)
    for l, (axis, W) in enumerate(zip(axes, net.W, strict=True), 1):
        values = W.ravel()[:: -(-W.size // SAMPLE)].astype(np.float64)  # the bins of float32 may be too narrow for it
        histogram(axis, values[np.isfinite(values)], min(BINS, max(5, math.isqrt(W.size))))
        axis.set_title(f"Layer {l}: {W.shape[0]} x {W.shape[1]}", fontsize=9)
        axis.yaxis.get_major_locator().set_params(integer=True)
        axis.yaxis.set_major_formatter(lambda count, _: f"{count / 1000:g}k" if count >= 1000 else f"{count:g}")
    return figure

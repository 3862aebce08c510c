"""The Numba side of the driver: a Stepper and an Evaluator over the compiled kernels, and single predictions.

strategy decides everything that bits depend on. inputs bring X and y to the kernels' form (encoding: floats as bytes).
layout and workspace say where weights, records and buffers lie; task says what steps do. threads choose how many
threads run, which changes no bit; peak measures what they could do at most. `fastnet.reference` has the same Stepper in
plain NumPy.
"""

from fastnet.engine.evaluator import Evaluator, classify, predict
from fastnet.engine.stepper import Stepper
from fastnet.engine.threads import available_threads, most_threads

__all__ = ["Evaluator", "Stepper", "available_threads", "classify", "most_threads", "predict"]

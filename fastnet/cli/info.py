"""fastnet info: the machine as fastnet sees it."""

import argparse
import json
import platform

from fastnet import machine
from fastnet.cli.parser import Commands
from fastnet.terminal import fold


def add_parser(subparsers: Commands) -> None:
    """Add the verb and its options."""
    parser = subparsers.add_parser(
        "info",
        help="processor, threads and versions",
        description="Print what speed and bits depend on: processor, vector width, threads, threading layer, versions.",
    )
    parser.add_argument("--json", action="store_true", help="as one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the facts."""
    facts = {
        **machine.processor(),
        "vector_bits": machine.vector_bits(),
        **machine.threading(),
        "versions": machine.versions(),
    }
    advice = _advice(str(facts["threading_layer"]))
    if advice:
        facts["advice"] = advice
    if args.json:
        print(json.dumps(facts, indent=1))
        return 0
    for name, value in facts.items():
        text = ", ".join(f"{key} {item}" for key, item in value.items()) if isinstance(value, dict) else value
        print(fold(f"{name.replace('_', ' '):16} {text}", " " * 17))
    return 0


def _advice(layer: str) -> str | None:
    from fastnet.kernels.compile import numba

    is_chosen = layer == numba.config.THREADING_LAYER
    return machine.threading_advice(layer, platform.system(), is_chosen)

"""fastnet export: a saved network as a file for other programs."""

import argparse
from pathlib import Path

from fastnet import terminal
from fastnet.cli import files
from fastnet.cli.loading import load_model
from fastnet.cli.parser import Commands, choice
from fastnet.errors import UsageError
from fastnet.exporting import INPUTS, SUFFIXES, export


def add_parser(subparsers: Commands) -> None:
    """Add the verb and its options."""
    parser = subparsers.add_parser(
        "export",
        help="write a saved network as ONNX, safetensors or .npz",
        description="Write a saved network for other programs, in the format that the name of OUT ends in. An .onnx "
        "file computes probabilities and classes, or the values of a regression, from X, and scales pixels itself. A "
        ".safetensors file holds the weights W0, b0, W1, ... and a description as JSON. An .npz file is what fastnet "
        "train --save writes.",
    )
    parser.add_argument("model", metavar="MODEL", help="file written by fastnet train --save")
    parser.add_argument("output", metavar="OUT", help="file to write: .onnx, .safetensors or .npz")
    parser.add_argument(
        "--inputs",
        type=choice(INPUTS),
        metavar="TYPE",
        help="type of X in an .onnx file: uint8, int64, float32 or float64 (default: as trained on)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Export as the options say."""
    suffix = Path(args.output).suffix
    if suffix not in SUFFIXES:
        raise UsageError(f"OUT: expected a name ending in {', '.join(SUFFIXES)}, got {args.output!r}")
    if args.inputs is not None and suffix != ".onnx":
        raise UsageError(f"--inputs: only an .onnx file computes anything from inputs, got {args.output!r}")
    files.check_writable("OUT", args.output)
    network = load_model(args.model)
    from fastnet.exporting.graph import encoded_inputs, signature

    export(network, args.output, inputs=args.inputs)
    told = signature(network, args.inputs) if suffix == ".onnx" else repr(network)
    print(terminal.titled(f"{args.output}:", told))
    encoded = encoded_inputs(network)
    if encoded is not None and suffix != ".npz":
        print(terminal.fold(encoded))
    return 0

"""fastnet data: the sets known by name, and what data files are and hold."""

import argparse

from fastnet.cli.parser import Commands, add_max_bytes, choice, whole
from fastnet.terminal import fold


def add_parser(subparsers: Commands) -> None:
    """Add the verb, its own commands and their options."""
    parser = subparsers.add_parser(
        "data", help="list, fetch, verify, convert, make and show data sets", description="Look after data sets."
    )
    commands = parser.add_commands("COMMAND")

    def command(name: str, run, text: str):
        added = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        added.set_defaults(run=run)
        return added

    command("list", run_list, "list the sets known by name and where they are")
    fetching = command("fetch", run_fetch, "download a set known by name, unless it is here already")
    fetching.add_argument("name", metavar="NAME", help="see fastnet data list")
    verifying = command("verify", run_verify, "say what a file or folder is: format, shapes, classes, known or not")
    verifying.add_argument("path", metavar="PATH", help="file or folder")
    converting = command("convert", run_convert, "rewrite a set as IDX files or as .npz")
    converting.add_argument("source", metavar="IN", help="file, folder or name")
    converting.add_argument("target", metavar="OUT", help="a name ending in .npz, or a folder for IDX files")
    making = command("make", run_make, "draw a synthetic set and write it as IDX files")
    making.add_argument("what", metavar="SET", type=choice(["glyphs"]), help="glyphs, the only set that can be drawn")
    making.add_argument("--n", type=whole(1), required=True, metavar="N", help="training rows")
    making.add_argument("--output", required=True, metavar="PATH", help="folder to write")
    making.add_argument("--seed", type=whole(0), default=138, help="of the drawing")
    showing = command("show", run_show, "show a training image with its label, in the terminal")
    showing.add_argument("path", metavar="PATH", help="file, folder or name")
    showing.add_argument("--index", type=whole(0), default=0, metavar="I", help="which row, from 0")
    for reading in (verifying, converting, showing):
        add_max_bytes(reading)


def run_list(args: argparse.Namespace) -> int:
    """Print a line for each known set."""
    from fastnet.data import registry

    for known in registry():
        place = known.found or ("not here: fastnet data fetch " + known.name if known.files else "built in")
        print(fold(f"{known.name:14} {known.title} [{known.licence}]  {place}", " " * 15))
    return 0


def run_fetch(args: argparse.Namespace) -> int:
    """Load a known set, which downloads what is missing."""
    from fastnet.data import load_data, registry
    from fastnet.errors import one_of

    remote = {known.name: known for known in registry() if known.files}
    one_of("NAME", args.name, remote)
    load_data(args.name)
    print(f"{args.name}: {remote[args.name].found}")
    return 0


def run_make(args: argparse.Namespace) -> int:
    """Draw a set."""
    from fastnet.data import make_glyphs

    print(fold(f"{make_glyphs(args.n, args.seed, args.output)}: {args.n} training rows (synthetic)"))
    return 0


def run_verify(args: argparse.Namespace) -> int:
    """Print what a file holds."""
    from fastnet.data import verify

    print(verify(args.path, max_bytes=args.max_bytes))
    return 0


def run_convert(args: argparse.Namespace) -> int:
    """Rewrite a set."""
    from fastnet.data import convert

    print(f"{convert(args.source, args.target, max_bytes=args.max_bytes)}: written")
    return 0


def run_show(args: argparse.Namespace) -> int:
    """Print an image."""
    from fastnet.data import load_data, show

    train, _ = load_data(args.path, max_bytes=args.max_bytes)
    print(show(train, args.index))
    return 0

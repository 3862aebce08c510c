"""fastnet recipe: a published system, run here, with its result beside the published one."""

import argparse
import contextlib
import dataclasses
import sys
from typing import TYPE_CHECKING, Any

from fastnet import settings, terminal
from fastnet.cli import files, results
from fastnet.cli.loading import require_labels, warming_up
from fastnet.cli.parser import Commands, rows_or_fraction, whole
from fastnet.cli.rows import SHARE
from fastnet.cli.settings import add_overrides
from fastnet.errors import UsageError, one_of

if TYPE_CHECKING:
    from fastnet.data import Dataset
    from fastnet.recipes import Recipe
    from fastnet.recipes.race import Lap
    from fastnet.recipes.running import Outcome

NOT_SETTINGS = ("run", "given", "name", "list", "data", "seeds", "json")


def add_parser(subparsers: Commands) -> None:
    """Add the verb and its options."""
    parser = subparsers.add_parser(
        "recipe",
        help="run a published system and compare with its published result",
        description="Run a published system on MNIST and print its result beside the published one. "
        "All settings of fastnet train can be changed; those not given are the recipe's. "
        "fastnet recipe NAME --list tells where NAME comes from and what it does differently on purpose.",
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="see --list")
    parser.add_argument("--list", action="store_true", help="describe all recipes, or NAME in full")
    parser.add_argument("--seeds", type=whole(1), metavar="N", help="run N seeds and tell mean and spread")
    parser.add_argument("--data", default="mnist", metavar="mnist|PATH", help="MNIST, or MNIST in a file or folder")
    parser.add_argument("--json", metavar="FILE", help="write settings, course and result")
    split_help = "train without the last N training rows, or the last SHARE of them"
    parser.add_argument(
        "--validation-split", type=rows_or_fraction, default=argparse.SUPPRESS, metavar="N|SHARE", help=split_help
    )
    add_overrides(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """List the recipes, or run one."""
    from fastnet.recipes import RECIPES
    from fastnet.recipes.report import describe, describe_in_full, heading, purposes

    if args.list and args.name is None:
        print("\n\n".join(map(describe, RECIPES.values())))
        return 0
    if args.name is None:
        raise UsageError(f"NAME is missing: one of {', '.join(RECIPES)}; see fastnet recipe --list")
    recipe = RECIPES[one_of("NAME", args.name, RECIPES)]
    if args.list:
        print(describe_in_full(recipe))
        return 0
    files.check_writable("--json", args.json)
    given = {name: value for name, value in vars(args).items() if name not in NOT_SETTINGS}
    config = settings.combine(recipe.settings, given)
    if config.output == "identity":
        raise UsageError("--output: recipes are classifications and need softmax or sigmoid, got 'identity'")
    if settings.waits(config):  # the test rows must not decide
        recipe = dataclasses.replace(recipe, held_out="validation")
        config.validation_split = config.validation_split or SHARE
    warming = warming_up(dtype=config.dtype, threads=config.threads)
    with warming if config.backend == "numba" else contextlib.nullcontext():
        data, test = load_mnist(args.data)
    seeds = args.seeds or recipe.seeds
    print(terminal.fold("\n".join([*heading(recipe), ""])), flush=True)
    if recipe.target:
        content = compete(recipe, config, data, test, seeds)
    else:
        content = compare(recipe, config, given, data, test, seeds)
    print(f"\n{purposes(recipe)}", flush=True)
    if args.json and not files.written("--json", args.json, lambda path: files.write_json(path, content)):
        return 4
    return 3 if content["diverged"] else 0


def load_mnist(source: str) -> "tuple[Dataset, Dataset]":
    """(train, test) of MNIST from the set of that name or from a file or folder; UsageError on anything else."""
    from fastnet.data import load_data, registry

    if source in {known.name for known in registry()} - {"mnist"}:
        raise UsageError(f"--data: recipes are run on MNIST, got {source}")
    data, test = load_data(source)
    require_labels(data)
    if data.synthetic:
        raise UsageError(f"--data: recipes are run on MNIST, got synthetic digits in {source}")
    if data.X.shape[1] != 784 or data.n_classes != 10 or data.class_names is not None:
        raise UsageError(
            f"--data: MNIST has rows of 784 numbers in 10 classes, those of {source} have {data.X.shape[1]} "
            f"in {data.n_classes}"
        )
    if test is None or test.y is None:
        raise UsageError(f"--data: recipes need a labelled test set beside the training set, {source} holds none")
    return data, test


def compare(
    recipe: "Recipe", config: argparse.Namespace, given: dict[str, Any], data: "Dataset", test: "Dataset", seeds: int
) -> dict[str, Any]:
    """Run a recipe and what its document tries beside it; print the results, and return the content of the JSON file.

    given : the settings that the user changed; what they change is not tried beside.
    """
    from fastnet.recipes import report
    from fastnet.recipes.running import against_numpy, compile_kernels, splits

    compile_kernels(config, data, sys.stdout)
    outcomes = run_seeds(recipe, config, data, test, seeds)
    if recipe.report:
        print(f"\n{outcomes[0].report()}", end="")
    result = summary(recipe, outcomes)
    for name, changes in recipe.beside.items():
        if not changes.keys() & given.keys():
            print(f"\n{name}:", flush=True)
            other = settings.combine(recipe.settings, changes, given)
            result.setdefault("beside", {})[name] = summary(recipe, run_seeds(recipe, other, data, test, seeds))
    if config.backend == "numba":
        rows = splits(recipe, config, data, test)[0]
        comparison = against_numpy(config, rows)
        print(f"\n{report.against(comparison, len(rows))}")
        result["numpy"] = dataclasses.asdict(comparison) | {"ratio": comparison.ratio}
    first = results.content(config, data, outcomes[0].history, outcomes[0].test)
    if seeds > 1:
        result["runs"] = [record(outcome) for outcome in outcomes]
    return first | {"recipe": recipe.name, "document": recipe.document} | result


def run_seeds(
    recipe: "Recipe", config: argparse.Namespace, data: "Dataset", test: "Dataset", seeds: int
) -> "list[Outcome]":
    """Run consecutive seeds: the first with the document's lines, a line for each other."""
    from fastnet.recipes.running import run

    outcomes: list[Outcome] = []
    for seed in range(config.seed, config.seed + seeds):
        args = argparse.Namespace(**vars(config) | {"seed": seed})
        outcomes.append(run(recipe, args, data, test, None if outcomes else sys.stdout))
        if seeds > 1:
            last = outcomes[-1]
            words = [f"seed {seed}", f"{last.seconds:.2f} s", f"test cost {last.test.loss:.4f}"]
            print("  ".join([*words, f"test accuracy {last.test.accuracy:.2%}"]), flush=True)
    return outcomes


def summary(recipe: "Recipe", outcomes: "list[Outcome]") -> dict[str, Any]:
    """Print the table of some outcomes; returns what the JSON file says of it."""
    from fastnet.recipes.recipe import figure
    from fastnet.recipes.report import table
    from fastnet.recipes.running import spreads

    obtained = spreads(outcomes, recipe.published)
    seconds = [outcome.seconds for outcome in outcomes]
    print(f"\n{table(recipe, obtained, seconds)}")
    published = {name: None if text is None else figure(text) for name, text in recipe.published.items()}
    return {
        "published": published | {"seconds": recipe.seconds},
        "obtained": {name: dataclasses.asdict(spread) for name, spread in obtained.items()},
        "seconds": seconds,
    }


def compete(
    recipe: "Recipe", config: argparse.Namespace, data: "Dataset", test: "Dataset", seeds: int
) -> dict[str, Any]:
    """Run the seeds of a race, print how long each took, and return the content of the JSON file."""
    from fastnet.recipes.race import race, result
    from fastnet.recipes.report import lap_line, race_lines
    from fastnet.recipes.running import compile_kernels

    compile_kernels(config, data, sys.stdout)
    laps: list[Lap] = []
    for seed in range(config.seed, config.seed + seeds):
        args = argparse.Namespace(**vars(config) | {"seed": seed})
        laps.append(race(recipe, args, data, test, None if laps else sys.stdout))
        print(lap_line(recipe, laps[-1]), flush=True)
    found = result(laps)
    print(f"\n{race_lines(recipe, found)}", flush=True)
    first = laps[0].outcome
    runs = [record(lap.outcome) | {"seconds_to_98": lap.seconds, "fair": lap.fair} for lap in laps]
    about = {"recipe": recipe.name, "document": recipe.document, "published": {}, "runs": runs}
    return results.content(config, data, first.history, first.test) | about | dataclasses.asdict(found)


def record(outcome: "Outcome") -> dict[str, Any]:
    """What the JSON file says of one of several seeds."""
    return {
        "seed": outcome.args.seed,
        "seconds": outcome.seconds,
        "epochs": [dataclasses.asdict(epoch) for epoch in outcome.history.epochs],
        "test": dataclasses.asdict(outcome.test),
    }

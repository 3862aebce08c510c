"""fastnet's words for options that have other names elsewhere, and what to say of options that it does not have."""

from collections.abc import Iterable

_OWN_WORDS = {
    "--lr": ("--learning-rate", "--learning-rate-init", "--eta", "--step-size"),
    "--batch-size": ("--batch", "--batches", "--minibatch", "--mini-batch-size", "--bs"),
    "--epochs": ("--n-epochs", "--num-epochs", "--max-iter", "--iterations", "--max-epochs"),
    "--hidden": ("--hidden-layers", "--hidden-layer-sizes", "--hidden-size", "--hidden-units", "--layers", "--n-h"),
    "--activation": ("--hidden-activation", "--nonlinearity"),
    "--output": ("--output-activation", "--output-file", "--out", "-o"),
    "--optimizer": ("--solver", "--optim"),
    "--beta": ("--momentum", "--beta1"),
    "--l2": ("--alpha", "--l2-penalty", "--lambda", "--regularization"),
    "--schedule": ("--lr-schedule", "--scheduler", "--lr-scheduler", "--decay"),
    "--warmup": ("--warm-up", "--warmup-epochs", "--warmup-steps"),
    "--patience": ("--early-stopping", "--early-stop", "--n-iter-no-change"),
    "--time-limit": ("--max-time", "--timeout", "--time"),
    "--dropout": ("--drop", "--dropout-rate", "--p-dropout"),
    "--clip-norm": ("--clip", "--gradient-clip", "--grad-clip", "--max-grad-norm", "--max-norm"),
    "--weight-decay": ("--wd", "--decoupled-weight-decay"),
    "--label-smoothing": ("--smoothing",),
    "--class-weight": ("--class-weights", "--balanced", "--balance"),
    "--augment": ("--augmentation", "--data-augmentation"),
    "--seed": ("--random-state", "--random-seed"),
    "--threads": ("--n-jobs", "--num-threads", "--n-threads", "--workers", "--cores", "--jobs"),
    "--validation-split": ("--validation", "--val-split", "--validation-fraction", "--test-size", "--holdout"),
    "--data": ("--dataset", "--input", "--train", "--train-data", "-i"),
    "--save": ("--model", "--model-file", "--output-file", "--out", "-o"),
    "--quiet": ("--silent", "-q", "--no-progress"),
    "--proba": ("--probabilities", "--predict-proba", "--probability"),
    "--report": ("--classification-report",),
    "--trials": ("--n-trials", "--num-trials", "--n-iter"),
    "--time": ("--timeout", "--max-time"),
    "--jobs": ("--n-jobs", "--workers", "--cores"),
    "--folds": ("--cv", "--n-folds", "--n-splits", "--k-folds"),
    "--study": ("--storage", "--study-name", "--db"),
}

_UNKNOWN = {
    "--test-data": "does not exist: a set brings its test part; fastnet evaluate MODEL --data PATH takes another set",
    "--gpu": "does not exist: fastnet trains on the CPU",
    "--device": "does not exist: fastnet trains on the CPU",
    "--verbose": "does not exist: a line per epoch is printed unless there is --quiet",
}


def hint(word: str, options: Iterable[str]) -> str | None:
    """What to say of an unknown option where these options exist; None if it is nobody's word for anything."""
    word = word.replace("_", "-")
    if word in _UNKNOWN and "--data" in options:
        return _UNKNOWN[word]
    own = [option for option, others in _OWN_WORDS.items() if word in others and option in options]
    return f"is called {own[-1]} here" if own else None

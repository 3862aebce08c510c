"""The program: verbs, files, exit codes, and one clear line for whatever is wrong with the input."""

import gzip
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fastnet.cli.main import main

ROOT = Path(__file__).resolve().parents[1]
N_INPUTS, N_CLASSES = 16, 3


def idx(array: np.ndarray) -> bytes:
    """A uint8 array as the bytes of an IDX file."""
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


@pytest.fixture
def folder(tmp_path, rng):
    """A folder with a small set of 4x4 images in three separable classes, 60 + 30 rows."""
    data = tmp_path / "small set"
    data.mkdir()
    for name, n in (("train", 60), ("t10k", 30)):
        y = (np.arange(n) % N_CLASSES).astype(np.uint8)
        X = rng.integers(0, 60, (n, 4, 4)).astype(np.uint8)
        X[np.arange(n), y] += 190
        (data / f"{name}-images-idx3-ubyte").write_bytes(idx(X))
        (data / f"{name}-labels-idx1-ubyte").write_bytes(idx(y))
    return data


@pytest.fixture
def train(folder):
    """Runs fastnet train on the small set by the NumPy backend."""
    return lambda *options: main(["train", "--data", str(folder), "--backend", "reference", "--epochs", "2", *options])


@pytest.fixture
def model(train, tmp_path, capsys):
    """A trained network in a file."""
    path = tmp_path / "model.npz"
    assert train("--hidden", "8", "--batch-size", "10", "--epochs", "20", "--save", str(path)) == 0
    capsys.readouterr()
    return path


@pytest.fixture
def refused(capsys):
    """Runs the program and returns the one line with which it refuses, exit code 2."""

    def call(*argv: object) -> str:
        code = main([str(word) for word in argv])
        out, err = capsys.readouterr()
        assert code == 2, out + err
        assert out == ""
        assert err.startswith("fastnet: error: ")
        assert err.count("\n") == 1
        assert "usage" not in err
        return err

    return call


def program(*argv: object, **settings) -> subprocess.CompletedProcess:
    """Runs the program in a process of its own."""
    command = [sys.executable, "-m", "fastnet", *map(str, argv)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300, check=False, **settings)


# Bad command lines


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ("", "command is missing"),
        ("trian", "no command 'trian'; did you mean train?"),
        ("data", "command is missing"),
        ("data lst", "fastnet data has no command 'lst'; did you mean list?"),
        ("train --epoch 3", "no option --epoch; did you mean --epochs?"),
        ("train --batchsize=3", "no option --batchsize; did you mean --batch-size?"),
        ("train mnist", "'mnist'"),
        ("train --hidden 0", "--hidden: expected the width"),
        ("train --hidden 64,,3", "got '64,,3'"),
        ("train --hidden -5", "got '-5'"),
        ("train --lr nan", "--lr: expected a positive finite number, got 'nan'"),
        ("train --lr inf", "got 'inf'"),
        ("train --lr 0", "got '0'"),
        ("train --lr fast", "got 'fast'"),
        ("train --lr", "--lr"),
        ("train --l2 -1", "--l2: expected a finite number from 0 on, got '-1'"),
        ("train --beta 1", "--beta: expected a number from 0 to below 1, got '1'"),
        ("train --batch-size 0", "--batch-size: expected a whole number from 1 on, or full, got '0'"),
        ("train --batch-size ful", "got 'ful'"),
        ("train --epochs 0", "--epochs: expected a whole number from 1 on, got '0'"),
        ("train --epochs 2.5", "got '2.5'"),
        ("train --threads 0", "--threads"),
        ("train --seed -1", "--seed"),
        ("train --validation-split -1", "--validation-split: expected a number of rows or a fraction between 0 and 1"),
        ("train --validation-split 1.5", "got '1.5'"),
        ("train --validation-split some", "got 'some'"),
        ("train --patience 0", "--patience: expected a whole number from 1 on, got '0'"),
        ("train --early-stopping", "--early-stopping is called --patience here"),
        ("train --dropout 0.5,1", "or one for each hidden layer like 0.2,0.5, got '1'"),
        ("train --dropout 0.5,0.5", "--dropout: expected one value, or one for each of 1 hidden layer, got 2"),
        ("train --gradient-clip 1", "--gradient-clip is called --clip-norm here"),
        ("train --clip-norm 0", "--clip-norm: expected a positive finite number"),
        ("train --warmup -1", "--warmup"),
        ("train --time-limit soon", "--time-limit: expected a time like 90s, 5m or 1.5h, got 'soon'"),
        ("train --monitor val_los", "did you mean 'val_loss'?"),
        ("train --schedule step:evry=2", "did you mean 'every'?"),
        ("train --class-weight even", "--class-weight"),
        ("train --activation relu,tahn", "did you mean 'tanh'?"),
        ("train --activation relu,tanh", "--activation: expected one value, or one for each of 1 hidden layer, got 2"),
        ("train --learning-rate 1", "fastnet train: --learning-rate is called --lr here"),
        ("train --learning_rate=1", "--learning_rate is called --lr here"),
        ("train --batch 9", "--batch is called --batch-size here"),
        ("train --hidden-layers 9", "is called --hidden here"),
        ("train --hidden_layer_sizes 9", "is called --hidden here"),
        ("train --max-iter 9", "is called --epochs here"),
        ("train --alpha 0.1", "is called --l2 here"),
        ("train --random-state 1", "is called --seed here"),
        ("train --momentum 0.5", "is called --beta here"),
        ("train --test x", "--test is for tables: name the column to learn by --target COLUMN"),
        ("train --output-file x", "is called --save here"),
        ("train -o x", "is called --save here"),
        ("predict m x --output-file x", "is called --output here"),
        ("recipe jpark --n-epochs 3", "fastnet recipe: --n-epochs is called --epochs here"),
        ("info --patience 3", "fastnet info has no option --patience"),
        ("train --activation sigmod", "did you mean 'sigmoid'?"),
        ("train --output softmx", "did you mean 'softmax'?"),
        ("train --loss crossentropy", "did you mean 'cross_entropy'?"),
        ("train --optimizer adm", "did you mean 'adam'?"),
        ("train --schedule onecycle", "did you mean 'one_cycle'?"),
        ("train --init le_cun", "did you mean 'lecun'?"),
        ("train --dtype float16", "--dtype: the value must be one of float32, float64, got 'float16'"),
        ("train --backend numpy", "--backend: the value must be one of numba, reference, got 'numpy'"),
        ("train --loss mse", "--loss: an output layer of softmax goes with cross_entropy, got 'mse'"),
        ("train --optimizer sgd", "--lr is needed"),
        ("train --activation relu", "--lr is needed"),
        ("train --no-ema", "--lr is needed: there is no default for --optimizer momentum --no-ema"),
        ("train --optimizer adam --beta 0.5", "--beta is a setting of --optimizer momentum, got --optimizer adam"),
        ("evaluate", "MODEL"),
        ("predict model.npz", "FILE"),
        ("data make glyphs", "--n"),
        ("data make glyhs --n 3 --output x", "did you mean 'glyphs'?"),
        ("data fetch mnits", "did you mean 'mnist'?"),
        ("info --jsn", "did you mean --json?"),
    ],
)
def test_bad_command_line(refused, argv, words):
    assert words in refused(*argv.split())


# Bad files


def zipped(images: Path, change):
    """Replace a file by a gzip file whose bytes are changed."""
    content = change(gzip.compress(images.read_bytes()))
    images.unlink()
    images.with_name(images.name + ".gz").write_bytes(content)


def bomb() -> bytes:
    """A gzip file of 16 kB that holds 16 MB and claims to hold 16 GB."""
    return gzip.compress(bytes([0, 0, 8, 3]) + (2500).to_bytes(4, "big") * 3 + bytes(1 << 24))


SPOILT = {
    "empty": lambda images, labels: images.write_bytes(b""),
    "truncated header": lambda images, labels: images.write_bytes(images.read_bytes()[:9]),
    "truncated body": lambda images, labels: images.write_bytes(images.read_bytes()[:-1]),
    "trailing bytes": lambda images, labels: images.write_bytes(images.read_bytes() + b"\0"),
    "wrong magic": lambda images, labels: images.write_bytes(b"\1" + images.read_bytes()[1:]),
    "labels as images": lambda images, labels: images.write_bytes(labels.read_bytes()),
    "huge dimensions": lambda images, labels: images.write_bytes(images.read_bytes()[:4] + b"\x80\0\0\0" * 3),
    "one label less": lambda images, labels: labels.write_bytes(idx(np.zeros(59, np.uint8))),
    "no labels": lambda images, labels: labels.unlink(),
    "corrupted gzip": lambda images, labels: zipped(images, lambda raw: raw[:40] + bytes(9) + raw[49:]),
    "truncated gzip": lambda images, labels: zipped(images, lambda raw: raw[:-5]),
    "gzip bomb": lambda images, labels: zipped(images, lambda raw: bomb()),
}


@pytest.mark.parametrize("how", SPOILT)
def test_spoilt_file(refused, folder, tmp_path, how):
    SPOILT[how](folder / "train-images-idx3-ubyte", folder / "train-labels-idx1-ubyte")
    before = sorted(tmp_path.rglob("*"))
    line = refused("train", "--data", folder, "--save", tmp_path / "m.npz", "--json", tmp_path / "r.json")
    assert "train-" in line
    assert sorted(tmp_path.rglob("*")) == before


def test_missing_data(refused, tmp_path):
    assert "no such file or folder" in refused("train", "--data", tmp_path / "nowhere")
    assert "did you mean 'mnist'?" in refused("train", "--data", "mnits")
    (tmp_path / "empty").mkdir()
    assert "empty" in refused("train", "--data", tmp_path / "empty")


@pytest.mark.parametrize("option", ["--save", "--json"])
def test_file_that_cannot_be_written_is_told_before_the_work(refused, tmp_path, option):
    place = tmp_path / "nowhere" / "file.npz"
    assert f"{option}: cannot write {place}" in refused("train", "--data", tmp_path / "missing too", option, place)
    assert f"{option}: expected a file" in refused("train", "--data", tmp_path / "missing too", option, tmp_path)


def test_not_finite_pixels(refused, tmp_path, rng):
    X = rng.random((20, 4), np.float32)
    X[7, 2] = np.nan
    np.savez(tmp_path / "set.npz", X=X, y=np.arange(20) % 2)
    line = refused("train", "--data", tmp_path / "set.npz")
    assert "set.npz" in line
    assert "row 7" in line


def test_file_that_is_no_model(refused, folder, tmp_path):
    assert "nowhere.npz" in refused("evaluate", tmp_path / "nowhere.npz", "--data", folder)
    for content in (b"", b"no model", (folder / "train-images-idx3-ubyte").read_bytes()):
        (tmp_path / "m.npz").write_bytes(content)
        assert "m.npz" in refused("evaluate", tmp_path / "m.npz", "--data", folder)
    np.savez(tmp_path / "m.npz", X=np.ones(3))
    assert "m.npz" in refused("predict", tmp_path / "m.npz", folder)


def test_model_that_does_not_fit_the_data(refused, model, folder, tmp_path, rng):
    np.savez(tmp_path / "wide.npz", X=rng.random((20, 17), np.float32), y=np.arange(20) % N_CLASSES)
    assert "takes rows of 16 numbers, but those of" in refused("evaluate", model, "--data", tmp_path / "wide.npz")
    assert "have 17" in refused("predict", model, tmp_path / "wide.npz")
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx(np.full(30, N_CLASSES, np.uint8)))
    assert f"got {N_CLASSES} in row 0" in refused("evaluate", model, "--data", folder)


def test_unlabelled_data(refused, folder):
    (folder / "train-labels-idx1-ubyte").unlink()
    line = refused("train", "--data", folder / "train-images-idx3-ubyte")
    assert "no labels" in line


def test_validation_split_must_leave_rows(refused, folder):
    assert "has 60 training rows, got 60" in refused("train", "--data", folder, "--validation-split", 60)


def test_predict_output_kind(refused, model, folder):
    assert ".csv or .npy" in refused("predict", model, folder, "--output", "labels.txt")


def test_index_out_of_range(refused, folder):
    assert "60" in refused("data", "show", folder, "--index", 60)


# What it does


def test_train_prints_a_line_for_each_epoch_and_the_report(train, capsys):
    assert train() == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert err == ""
    assert lines[0].startswith("data ")
    assert lines[1] == "    60 + 30 rows, 16 inputs, 3 classes"  # below the long path
    epochs = [line for line in lines if line.startswith("epoch ")]
    assert [line.split()[1] for line in epochs] == ["1/2", "2/2"]
    for word in ("rows/s", "loss", "test", "left"):
        assert word in epochs[0]
    right = round(float(epochs[-1].split(" test ")[1].split("%")[0]) * 30 / 100)
    assert f"{right} of 30 test rows are right" in lines
    assert "precision" in out
    assert "weighted avg" in lines[-1]
    assert out.isascii()
    assert "\x1b" not in out


def test_quiet(train, capsys):
    assert train("--quiet") == 0
    assert capsys.readouterr() == ("", "")


def test_json_of_a_run(train, folder, tmp_path):
    path = tmp_path / "run.json"
    assert train("--json", str(path), "--evaluate-train", "--hidden", "5,4", "--l2", "0.01", "--quiet") == 0
    content = json.loads(path.read_text())
    found = {
        "config",
        "epochs",
        "test",
        "rows",
        "diverged",
        "threads",
        "threading_layer",
        "versions",
        "data",
        "processes",
    }
    found |= {"stopped", "best_epoch", "saved", "machine", "processes"}
    assert set(content) == found
    assert content["rows"]["validation"] == 0
    assert content["rows"]["train"] > 0 < content["rows"]["test"]
    config = content["config"]
    assert config["hidden"] == [5, 4]
    assert (config["optimizer"], config["lr"], config["beta"], config["ema"]) == ("momentum", 4.0, 0.9, True)
    assert (config["loss"], config["l2"], config["seed"], config["batch_size"]) == ("cross_entropy", 0.01, 138, 128)
    fields = {
        "epoch",
        "seconds",
        "loss",
        "val_loss",
        "val_accuracy",
        "val_r2",
        "train_loss",
        "train_accuracy",
        "train_r2",
        "lr",
        "rows",
    }
    assert [set(record) for record in content["epochs"]] == [fields, fields]
    assert content["diverged"] is False
    assert content["epochs"][-1]["val_loss"] == pytest.approx(content["test"]["loss"])
    assert content["epochs"][-1]["train_accuracy"] > 0
    assert content["data"]["name"] == str(folder)
    assert content["data"]["synthetic"] is False
    assert len(content["data"]["sha256"]) == 64
    assert content["versions"]["numpy"] == np.__version__


def test_no_shuffle_split_holds_out_the_last_rows(train, folder, tmp_path, capsys):
    """The held-out rows are made unlike the others: they alone are labelled wrongly."""
    labels = folder / "train-labels-idx1-ubyte"
    y = (np.arange(60) % N_CLASSES).astype(np.uint8)
    y[-12:] = (y[-12:] + 1) % N_CLASSES
    labels.write_bytes(idx(y))
    path = tmp_path / "run.json"
    options = ["--validation-split", "12", "--epochs", "20", "--batch-size", "8", "--json", str(path)]
    assert train(*options, "--no-shuffle-split") == 0
    content = json.loads(path.read_text())
    assert content["epochs"][-1]["val_accuracy"] < 0.1
    assert content["test"]["accuracy"] > 0.9
    assert " val " in capsys.readouterr().out


def test_full_batch_is_one_step_whatever_the_number_of_rows(train, tmp_path):
    losses = []
    for size in ("full", "60"):
        assert train("--batch-size", size, "--quiet", "--json", str(tmp_path / "run.json")) == 0
        losses.append([record["loss"] for record in json.loads((tmp_path / "run.json").read_text())["epochs"]])
    assert losses[0] == losses[1]


@pytest.mark.parametrize(
    "options",
    [
        "--activation relu --optimizer adam",
        "--activation tanh --optimizer sgd --lr 0.1 --init glorot",
        "--output sigmoid --loss mse --init normal --schedule cosine",
        "--output sigmoid --no-ema --lr 0.1 --nesterov",
        "--output identity --activation identity --optimizer adam --lr 0.01 --dtype float64 --schedule one_cycle",
    ],
)
def test_settings_reach_the_library(train, options):
    assert train(*options.split(), "--quiet") == 0


def test_evaluate_and_predict_agree_with_the_labels(model, folder, tmp_path, capsys):
    report = tmp_path / "result.json"
    assert main(["evaluate", str(model), "--data", str(folder), "--report", "--json", str(report)]) == 0
    out = capsys.readouterr().out
    assert "accuracy 100.00%" in out
    assert "weighted avg" in out
    result = json.loads(report.read_text())
    assert result["accuracy"] == 1
    assert result["rows"] == 30

    assert main(["predict", str(model), str(folder)]) == 0
    labels = [int(line) for line in capsys.readouterr().out.split()]
    assert labels == [i % N_CLASSES for i in range(30)]

    for name, options in (("labels", []), ("outputs", ["--proba"])):
        csv, npy = tmp_path / f"{name}.csv", tmp_path / f"{name}.npy"
        for path in (csv, npy):
            assert main(["predict", str(model), str(folder), "--output", str(path), *options]) == 0
        array = np.load(npy)
        assert np.array_equal(np.loadtxt(csv, array.dtype, delimiter=","), array)
    assert array.shape == (30, N_CLASSES)
    assert array.argmax(axis=1).tolist() == labels


def test_predict_needs_no_labels(model, folder, capsys):
    assert main(["predict", str(model), str(folder / "t10k-images-idx3-ubyte")]) == 0
    assert len(capsys.readouterr().out.split()) == 30


def test_data_made_converted_verified_and_shown(tmp_path, capsys):
    drawn, packed, again = tmp_path / "drawn", tmp_path / "packed.npz", tmp_path / "again"
    assert main(["data", "make", "glyphs", "--n", "50", "--output", str(drawn)]) == 0
    assert main(["data", "convert", str(drawn), str(packed)]) == 0
    assert main(["data", "convert", str(packed), str(again)]) == 0
    files = sorted(path.name for path in drawn.iterdir())
    assert len(files) == 5  # four arrays, and a note that they are drawn
    arrays = [name for name in files if name != "synthetic.txt"]
    assert all((again / name).read_bytes() == (drawn / name).read_bytes() for name in arrays)
    capsys.readouterr()

    for path in (drawn, packed):
        assert main(["data", "verify", str(path)]) == 0
        out = capsys.readouterr().out
        assert "train images: 50x28x28 uint8" in out
        assert "10 classes" in out

    assert main(["data", "show", str(packed), "--index", "7"]) == 0
    label = (drawn / "train-labels-idx1-ubyte").read_bytes()[8 + 7]
    title, *rows = capsys.readouterr().out.splitlines()
    assert title.endswith(f"label {label}")
    assert any(row.strip() for row in rows)


def test_data_list_names_every_set_and_where_it_is(no_mnist, capsys):
    assert main(["data", "list"]) == 0
    out = capsys.readouterr().out.replace("\n ", " ")
    lines = {line.split()[0]: " ".join(line.split()) for line in out.splitlines()}
    assert set(lines) == {"mnist", "fashion-mnist", "kmnist", "glyphs"}
    assert "fastnet data fetch mnist" in lines["mnist"]
    assert "built in" in lines["glyphs"]


def test_diverged_run_ends_with_3_and_writes_nothing(train, tmp_path, capsys):
    path = tmp_path / "m.npz"
    options = ["--output", "identity", "--activation", "identity", "--lr", "1e30", "--save", str(path), "--epochs", "9"]
    with np.errstate(all="ignore"):
        assert train(*options) == 3
    err = capsys.readouterr().err
    assert err.startswith("fastnet: error: the loss is not finite in epoch ")
    assert err.count("\n") == 1
    assert not path.exists()


@pytest.fixture
def no_mnist(monkeypatch, tmp_path):
    """A machine that has no data set and no network."""
    monkeypatch.delenv("FASTNET_DATA", raising=False)
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))

    def refuse(*args, **kwargs):
        raise OSError("no network here")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)


def test_without_mnist_it_trains_on_glyphs_and_says_so(no_mnist, tmp_path, capsys):
    path = tmp_path / "run.json"
    assert main(["train", "--epochs", "1", "--hidden", "4", "--backend", "reference", "--json", str(path)]) == 0
    out, err = capsys.readouterr()
    assert err.count("\n") == 1
    assert "synthetic" in err
    assert out.startswith("data glyphs (synthetic)")
    assert json.loads(path.read_text())["data"]["synthetic"] is True


def test_naming_mnist_where_there_is_none(no_mnist, refused, model):
    for argv in (["train", "--data", "mnist"], ["evaluate", model, "--data", "mnist"], ["data", "fetch", "mnist"]):
        assert "train-images-idx3-ubyte" in refused(*argv)
    assert "takes rows of 16 numbers, not of 784 as mnist: name the data by --data" in refused("evaluate", model)


# Processes


def test_program_refuses_in_one_line():
    done = program("train", "--data", "mnits")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("fastnet: error: ")


@pytest.mark.parametrize("verb", ["--help", "train"])
def test_program_ends_quietly_when_nobody_reads(folder, verb):
    options = ["--data", str(folder), "--backend", "reference", "--epochs", "100000"] if verb == "train" else []
    command = [sys.executable, "-m", "fastnet", verb, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 141 or verb == "--help"  # argparse may drop what it cannot print


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_program_ends_on_a_signal(folder, tmp_path, number, code):
    model = tmp_path / "m.npz"
    options = ["train", "--data", str(folder), "--backend", "reference", "--epochs", "1000000", "--save", str(model)]
    command = [sys.executable, "-m", "fastnet", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, text=True) as process:
        while not process.stdout.readline().startswith("epoch"):
            assert process.poll() is None
        os.kill(process.pid, number)
        _, err = process.communicate(timeout=60)
        assert process.returncode == code, err
    assert err.splitlines()[0] == f"fastnet: the network reached is in {model}, marked as unfinished"
    assert err.count("\n") == 2
    assert "Traceback" not in err
    assert [path.name for path in tmp_path.iterdir() if path.is_file() or path.name[0] == "."] == ["m.npz"]


def test_info(capsys):
    assert main(["info", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["cores"] >= 1
    assert facts["vector_bits"] in (128, 256, 512)
    assert facts["threads"] >= 1
    assert facts["threading_layer"]
    assert facts["versions"]["numpy"] == np.__version__
    assert main(["info"]) == 0
    assert "threading layer" in capsys.readouterr().out


def test_version_and_help(capsys):
    for option, words in (("--version", "fastnet "), ("--help", "train a network")):
        with pytest.raises(SystemExit) as end:
            main([option])
        assert end.value.code == 0
        assert words in capsys.readouterr().out

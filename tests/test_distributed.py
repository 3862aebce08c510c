"""Training by many processes over MPI: what they compute, and how they end."""

import json
import os
import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import fastnet
from fastnet.cli import processes
from fastnet.cli.main import main
from fastnet.data.shards import load_shards
from fastnet.data.splitting import split
from fastnet.distributed.ends import code_of, describe
from fastnet.driver.shares import sampled, sums_of
from fastnet.driver.team import ALONE, Share, Team
from fastnet.errors import DataError

HERE = Path(__file__).resolve().parent
MPIEXEC = Path(sys.executable).with_name("mpiexec")
needs_mpi = pytest.mark.skipif(not MPIEXEC.exists(), reason="no mpiexec beside Python: pip install '.[mpi]'")


def environment(**variables):
    path = os.pathsep.join(map(str, (HERE.parent, HERE)))
    return os.environ | {"PYTHONPATH": path, "NUMBA_NUM_THREADS": "1", **variables}


def job(n, *command, **variables):
    """(exit code, output) of so many processes."""
    whole = [str(MPIEXEC), "-n", str(n), sys.executable, *map(str, command)]
    done = subprocess.run(
        whole, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment(**variables), timeout=300,
        check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


def found(n, folder, what, **variables):
    """What rank_program finds with so many processes; 0 is one without MPI."""
    folder.mkdir(exist_ok=True)
    program = [HERE / "rank_program.py", folder, what]
    if n:
        code, text = job(n, *program, **variables)
    else:
        done = subprocess.run(
            [sys.executable, *map(str, program), "--alone"], capture_output=True, text=True, env=environment(),
            check=False,
        )  # fmt: skip
        code, text = done.returncode, done.stderr
    assert code == 0, text
    with np.load(folder / "found.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def of_one(tmp_path_factory):
    return found(0, tmp_path_factory.mktemp("one"), "all_cases")


@needs_mpi
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_processes_compute_what_one_would(n, of_one, tmp_path):
    together = found(n, tmp_path, "all_cases")
    assert set(together) == set(of_one)
    for name, expected in of_one.items():
        rtol = 1e-5 if "float32" in name else 1e-10
        scale = np.abs(expected[np.isfinite(expected)]).max()
        np.testing.assert_allclose(together[name], expected, rtol=rtol, atol=rtol * scale, err_msg=name)


@needs_mpi
def test_processes_may_have_rows_of_their_own(tmp_path):
    import rank_program as program

    together = found(3, tmp_path, "own_rows")
    net, few = program.network(), slice(0, 40)
    history = fastnet.train(
        net, program.PIXELS, program.LABELS, epochs=2, seed=4, sample_weight=program.WEIGHT,
        validation=(program.PIXELS[few], program.LABELS[few]),
    )  # fmt: skip
    np.testing.assert_allclose(together["params"], net.params, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(together["figures"], program.figures(history), rtol=1e-10)


@needs_mpi
def test_local_sgd_is_the_mean_of_what_each_comes_to(tmp_path):
    import rank_program as program

    together, settings = found(2, tmp_path, "averaged"), {"epochs": 1, "shuffle": False, "optimizer": fastnet.SGD(0.5)}
    alone = program.network()  # a process without rows counts nothing: the two take turns
    fastnet.train(alone, program.PIXELS[:400], program.LABELS[:400], batch_size=50, **settings)
    np.testing.assert_allclose(together["in_order"], alone.params, rtol=1e-10, atol=1e-12)
    mean = 0
    for rows in (slice(0, program.N // 2), slice(program.N // 2, program.N)):
        net, n = program.network(), rows.stop - rows.start
        X, y, weight = program.PIXELS[rows], program.LABELS[rows], program.WEIGHT[rows]
        fastnet.train(net, X, y, batch_size=n, sample_weight=weight, **settings)
        mean = mean + net.params * n / program.N
    np.testing.assert_allclose(together["at_once"], mean, rtol=1e-10, atol=1e-12)
    losses = together["figures"][:, 1]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]


@needs_mpi
def test_odd_calls_come_to_what_one_process_comes_to(tmp_path):
    alone = found(0, tmp_path / "alone", "odd")["params"]
    np.testing.assert_allclose(found(2, tmp_path / "two", "odd")["params"], alone, rtol=1e-10, atol=1e-12)


@needs_mpi
def test_callbacks_are_called_by_rank_0_and_act_on_all(tmp_path):
    found(3, tmp_path, "called")


@needs_mpi
def test_a_run_goes_on_with_as_many_processes_or_others(tmp_path):
    import rank_program as program

    first = found(2, tmp_path, "kept", AGAIN="a")["params"]
    net = program.network()
    fastnet.train(net, program.PIXELS, program.LABELS, epochs=4, seed=4, dropout=0.2, batch_size=100)
    np.testing.assert_allclose(first, net.params, rtol=1e-10, atol=1e-12)
    assert (found(2, tmp_path, "kept", AGAIN="b")["params"] == first).all()
    for n in (3, 0):
        np.testing.assert_allclose(found(n, tmp_path, "kept", AGAIN="c")["params"], first, rtol=1e-10, atol=1e-12)


@needs_mpi
def test_all_are_told_what_differs(tmp_path):
    told = found(3, tmp_path, "refused")["told"].tolist()
    patterns = (
        r"shape of X and its targets must be the same in all processes: rank 1 of 3 on .* has \(502, 48\), rank 0 ",
        r"content \(SHA-256\) of X and its targets must be the same in all processes: rank 1 of 3 on",
        r"l2 of settings must be the same in all processes: rank 1 of 3 on .* has 1, rank 0 0$",
        "X must have a row for each of 3 processes, got 2",
        "distributed needs backend='numba', got 'reference'",
        "validation of call must be the same in all processes: rank 1 of 3 on .* has False, rank 0 True",
        "sample_weight must be the same in all processes: rank 1 of 3 on",
    )
    assert len(told) == len(patterns)
    assert all(re.match(pattern, text) for pattern, text in zip(patterns, told, strict=True)), told


@needs_mpi
def test_one_process_without_mpiexec_refuses_the_reference_in_a_line():
    command = [sys.executable, "-m", "fastnet", "train", "--distributed", "--backend", "reference", "--data", "glyphs"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True)
    told = "distributed needs backend='numba', got 'reference'\n"
    assert done.returncode != 0
    assert done.stderr.startswith("fastnet: ")
    assert done.stderr.endswith(told)
    assert "Traceback" not in done.stderr


@needs_mpi
def test_weights_that_drift_apart_are_seen(tmp_path):
    (told,) = found(2, tmp_path, "drifting")["told"].tolist()
    assert re.match("weights must be the same in all processes: rank 1 of 2 on", told)


FAILING = """
import sys, fastnet
team = fastnet.distributed.mpi()
if team.rank == 1:
    {what}
fastnet.train(fastnet.Network([2, 2]), [[0.0, 1.0]] * 9, [0, 1, 0] * 3, epochs=10**6, progress=True, distributed=team)
"""


@needs_mpi
@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("raise OSError('no such disk')", r"OSError: no such disk"),
        (
            "undefined",
            r"Traceback(?s:.*)rank 1 of 2 on \S+: NameError: name 'undefined' is not defined; all",
        ),
        (
            "import os, threading; threading.Timer(2, os.kill, (os.getpid(), 15)).start()",
            r"rank 1 of 2 on \S+ got SIGTERM",
        ),
        ("import os; os.kill(os.getpid(), 9)", r"RANK 1|[Kk]illed|signal 9"),
    ],
)
def test_an_error_of_one_ends_all(what, says):
    code, text = job(2, "-c", FAILING.format(what=what))
    assert code != 0
    assert re.search(says, text), text


@needs_mpi
def test_an_error_of_all_is_told_once():
    code, text = job(3, "-c", "import fastnet\nfastnet.train(fastnet.Network([2, 2]), [[1.0]], [0], "
                              "distributed=fastnet.distributed.mpi())")  # fmt: skip
    assert code != 0
    assert text.count("ValueError: X must have 2 columns") == 1


@needs_mpi
def test_command_line(tmp_path):
    for i, rows in enumerate((40, 25, 60)):
        rng = np.random.default_rng(i)
        np.save(tmp_path / f"X_{i}.npy", rng.random((rows, 8), np.float32))
        np.save(tmp_path / f"y_{i}.npy", rng.integers(0, 3, rows))
    options = [
        "--data",
        tmp_path / "*.npy",
        "--hidden",
        "5",
        "--epochs",
        "2",
        "--batch-size",
        "20",
        "--dtype",
        "float64",
    ]
    train = ["-m", "fastnet", "train", *options]
    code, text = job(3, *train, "--distributed", "--save", tmp_path / "three.npz", "--json", tmp_path / "three.json")
    assert code == 0, text
    assert text.count("epoch 2/2") == 1
    assert "125 rows, 8 inputs, 3 classes" in text
    assert main(["train", *map(str, options), "--quiet", "--save", str(tmp_path / "one.npz")]) == 0
    one, three = (fastnet.Network.load(tmp_path / f"{name}.npz").params for name in ("one", "three"))
    np.testing.assert_allclose(three, one, rtol=1e-10, atol=1e-12)
    code, text = job(4, *train, "--distributed")
    assert code == 2
    told = r"fastnet: error: .*: expected a file for each of 4 processes, got 3: start fewer\n.*"
    assert re.fullmatch(told, text, re.DOTALL)
    with open(tmp_path / "three.json", encoding="utf-8") as file:
        assert json.load(file)["processes"] == 3


@needs_mpi
@pytest.mark.parametrize(
    ("mine", "others", "says"),
    [
        (["--lrr", "2"], [], r"rank 0 of 2 on \S+: error: fastnet train has no option --lrr|fastnet: error: .* --lrr"),
        ([], ["--lrr", "2"], r"rank 1 of 2 on \S+: error: fastnet train has no option --lrr"),
        (["--lr", "3"], ["--lr", "2"], r"lr of optimizer of settings must be .*: rank 1 of 2 on \S+ has 2.0, rank 0 3"),
        (["--resume", "nowhere"], ["--resume", "nowhere"], r"nowhere: there are no checkpoints here"),
    ],
)
def test_command_lines_that_differ_or_fail(tmp_path, mine, others, says):
    one = [sys.executable, "-m", "fastnet", "train", "--distributed", "--epochs", "1", "--data", "glyphs"]
    whole = [str(MPIEXEC), "-n", "1", *one, *mine, ":", "-n", "1", *one, *others]
    done = subprocess.run(
        whole, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment(), timeout=120,
        cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stdout
    assert re.search(says, done.stdout), done.stdout


def test_shards_are_one_set_or_parts_of_it(tmp_path):
    for i, rows in enumerate((40, 25, 60, 8)):
        np.savez(tmp_path / f"part-{i}.npz", X=np.full((rows, 3), i, np.float32), y=np.arange(rows) % 4)
    pattern = str(tmp_path / "part-*.npz")
    whole, none = fastnet.load_data(pattern)
    assert none is None
    assert (len(whole), whole.n_classes) == (133, 4)
    parts = [fastnet.load_data(pattern, part=(k, 3))[0] for k in range(3)]
    assert (np.concatenate([part.X for part in parts]) == whole.X).all()
    assert all(len(part) for part in parts)
    pieces = [split(part, 0.25, seed=1) for part in parts]
    for mine, theirs in zip(split(whole, 0.25, seed=1), zip(*pieces, strict=True), strict=True):
        assert (np.concatenate([piece.X for piece in theirs]) == mine.X).all()
        assert (np.concatenate([piece.y for piece in theirs]) == mine.y).all()


def test_shards_that_do_not_fit_together(tmp_path, capsys):
    np.save(tmp_path / "a.npy", np.zeros((2, 3), np.float32))
    np.save(tmp_path / "b.npy", np.zeros((2, 4), np.float32))
    with pytest.raises(DataError, match=r"b\.npy: expected 3 columns, as in .*a\.npy, got 4 columns"):
        fastnet.load_data(str(tmp_path / "?.npy"))
    with pytest.raises(DataError, match=r"\*\.csv: no file matches"):
        fastnet.load_data(str(tmp_path / "*.csv"))
    from fastnet.data.budget import Budget

    with pytest.raises(ValueError, match=r"part must be \(k, n\) with k from 0 to below n, got \(2, 2\)"):
        fastnet.load_data(str(tmp_path / "?.npy"), part=(2, 2))
    with pytest.raises(ValueError, match="part is for a pattern of files"):
        fastnet.load_data("glyphs", part=(0, 2))
    np.save(tmp_path / "b.npy", np.zeros((4, 3), np.float32))
    unlabelled, _ = fastnet.load_data(str(tmp_path / "?.npy"))
    assert (unlabelled.X.shape, unlabelled.y) == ((6, 3), None)
    assert main(["train", "--data", str(tmp_path / "?.npy")]) == 2
    assert "they may lie beside each file, as y_0.npy beside X_0.npy" in capsys.readouterr().err
    with pytest.raises(DataError, match="expected a file for each of 3 processes, got 2"):
        load_shards(str(tmp_path / "?.npy"), Budget(None), (0, 3))


def test_the_sample_of_the_data_is_the_same_in_any_shares(rng):
    class Several(Team):
        def gather(self, value):
            return [sums_of(share, X[share.start : share.stop], y[share.start : share.stop]) for share in shares]

    X, y = rng.random((9000, 3)), np.arange(9000)
    whole = sampled(ALONE, Share(0, 9000, 9000), X, y)
    shares = [Share(start, stop, 9000) for start, stop in pairwise([0, 0, 17, 5000, 9000])]
    assert sampled(Several(), shares[0], X[:0], y[:0]) == whole
    X[0, 0] += 1
    assert sampled(ALONE, Share(0, 9000, 9000), X, y) != whole


def test_what_a_launcher_says():
    assert processes.launched({}) == (0, 1)
    assert processes.launched({"PMI_RANK": "3", "PMI_SIZE": "4", "SLURM_PROCID": "0"}) == (3, 4)
    assert processes.launched({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"}) == (1, 2)


def test_options_that_go_together(capsys, monkeypatch):
    assert main(["train", "--sync-every", "4"]) == 2
    assert "--sync-every is for the processes of --distributed" in capsys.readouterr().err
    monkeypatch.setenv("PMI_RANK", "0")
    monkeypatch.setenv("PMI_SIZE", "2")
    assert main(["train", "--data", "nowhere.csv"]) == 2
    assert "one of 2 processes, but without --distributed" in capsys.readouterr().err


def test_without_mpi_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(ImportError, match=r"needs MPI: pip install 'fastnet\[mpi\]'"):
        fastnet.distributed.mpi()
    with pytest.raises(TypeError, match=r"distributed must be fastnet\.distributed\.mpi\(\) or None, got 'mpi'"):
        fastnet.train(fastnet.Network([1, 2]), [[1.0]], [0], distributed="mpi")


def test_how_an_error_is_told():
    assert describe(ValueError("a\nb")) == "ValueError: a b"
    assert describe(KeyboardInterrupt()) == "KeyboardInterrupt"
    assert describe(NameError("x")) == "NameError: x"
    assert [code_of(e) for e in (ValueError(), KeyboardInterrupt(), SystemExit(7), SystemExit())] == [1, 130, 7, 1]


README = (HERE.parent / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


@pytest.fixture
def shards(tmp_path):
    """A folder with shards/ as the README's jobs want it."""
    (tmp_path / "shards").mkdir()
    for i in range(4):
        rng = np.random.default_rng(i)
        np.save(tmp_path / "shards" / f"X_{i}.npy", rng.random((50, 4), np.float32))
        np.save(tmp_path / "shards" / f"y_{i}.npy", rng.integers(0, 3, 50))
    return tmp_path


def shell(folder, script, **variables):
    """Run a script where `fastnet` and `mpiexec` are those of this Python."""
    program = folder / "bin" / "fastnet"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m fastnet "$@"\n')
    program.chmod(0o755)
    path = os.pathsep.join([str(program.parent), str(MPIEXEC.parent), os.environ["PATH"]])
    done = subprocess.run(
        ["sh", "-ec", script], cwd=folder, env=environment(PATH=path, **variables), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


@needs_mpi
def test_job_of_slurm(shards):
    (script,) = blocks("slurm")
    script = script.replace("--epochs 100", "--epochs 3")
    assert "epoch 3/3" in shell(shards, script, SLURM_NTASKS="2")
    assert "is finished, after 3 epochs" in shell(shards, script, SLURM_NTASKS="2")


@needs_mpi
def test_job_of_kubernetes(shards):
    (job,) = blocks("yaml")
    command = json.loads(re.search(r"command: (\[.*?\])", job)[1])
    assert command[:3] == ["mpiexec", "-n", re.search(r"replicas: (\d+)", job)[1]]
    assert "9/9" in shell(shards, shlex.join(command))


@needs_mpi
def test_program_of_the_readme(tmp_path):
    (program,) = blocks("py")
    code, text = job(2, "-c", f"import os\nos.chdir({str(tmp_path)!r})\n{program}")
    assert code == 0, text
    assert fastnet.Network.load(tmp_path / "model.npz").sizes == [784, 64, 10]

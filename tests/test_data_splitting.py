"""Rows held out of a set: how many, of which classes, the same ones again, and without a copy of large files."""

import sys
import tracemalloc

import numpy as np
import pytest

from fastnet.data import Dataset, load_data, source, splitting
from fastnet.data.splitting import draw, held_out_rows, private_map, shares, split, spread_runs


def dataset(y, n_classes=None):
    """A set whose rows hold their own numbers."""
    y = np.asarray(y)
    X = np.arange(len(y), dtype=np.float32)[:, None].repeat(2, axis=1)
    return Dataset(X, y, int(y.max()) + 1 if n_classes is None else n_classes, "set")


@pytest.mark.parametrize(
    ("n", "amount", "rows"), [(60, 12, 12), (60, 0.1, 6), (60, 0.999, 59), (3, 0.001, 1), (2, 0.5, 1), (10, 9, 9)]
)
def test_number_or_fraction(n, amount, rows):
    assert held_out_rows(n, amount) == rows


@pytest.mark.parametrize(("n", "amount"), [(60, 60), (60, 61), (60, 0)])
def test_a_row_is_left_in_each_part(n, amount):
    with pytest.raises(ValueError, match=f"of {n} rows"):
        held_out_rows(n, amount)


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_rows_to_hold_some_out(n):
    with pytest.raises(ValueError, match=f"expected 2 rows or more where some are held out, got {n}: add rows"):
        held_out_rows(n, 0.5)


@pytest.mark.parametrize(
    ("counts", "n_held", "expected"),
    [
        ([50, 30, 20], 10, [5, 3, 2]),
        ([98, 2], 10, [9, 1]),  # a class of two rows is in both parts
        ([98, 2], 99, [97, 2]),  # and not in both where there is no room
        ([97, 2, 1], 10, [9, 1, 0]),  # a class of one row is trained on
        ([3, 0, 3], 2, [1, 0, 1]),
        ([2, 2, 2, 2], 2, [1, 1, 0, 0]),  # fewer rows than classes
        ([1, 1, 1], 2, [1, 1, 0]),
        ([5], 2, [2]),
    ],
)
def test_shares_of_classes(counts, n_held, expected):
    assert shares(np.array(counts), n_held).tolist() == expected


def test_shares_add_up(rng):
    for _ in range(300):
        counts = rng.integers(0, rng.choice([3, 30, 300]), size=rng.integers(1, 40))
        counts[0] += 2
        n_held = int(rng.integers(1, counts.sum()))
        found = shares(counts, n_held)
        assert found.sum() == n_held
        assert ((found >= 0) & (found <= counts)).all()
        if (counts >= 2).sum() <= n_held <= counts.sum() - (counts > 0).sum():
            assert ((found >= 1) | (counts < 2)).all()
            assert ((found < counts) | (counts == 0)).all()


def test_a_file_sorted_by_class_is_split_by_class():
    y = np.repeat(np.arange(10), [500, 300, 200, 40, 20, 10, 10, 5, 2, 1])
    kept, held = split(dataset(y), 0.1, seed=138)
    assert (len(kept), len(held)) == (979, 109)
    assert np.bincount(held.y, minlength=10)[:3].tolist() == [50, 30, 20]
    assert (np.bincount(held.y, minlength=10)[:9] >= 1).all()
    assert np.bincount(kept.y, minlength=10)[9] == 1
    assert sorted([*kept.X[:, 0], *held.X[:, 0]]) == list(range(len(y)))
    for part in (kept, held):
        assert (np.diff(part.X[:, 0]) > 0).all()  # rows keep their order
        np.testing.assert_array_equal(part.y, y[part.X[:, 0].astype(int)])
        assert part.n_classes == 10


def test_the_seed_decides():
    y = np.arange(200) % 4
    first, again, other = (split(dataset(y), 40, seed=seed)[1].X[:, 0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_without_shuffling_it_is_the_last_rows_uncopied():
    whole = dataset(np.arange(50) % 3)
    kept, held = split(whole, 0.2, seed=1, shuffle=False)
    assert held.X[:, 0].tolist() == list(range(40, 50))
    assert np.shares_memory(kept.X, whole.X)
    assert np.shares_memory(held.X, whole.X)


@pytest.mark.parametrize("y", [np.linspace(0, 1, 30), np.random.default_rng(1).random((30, 2))])
def test_values_have_no_classes(y):
    kept, held = split(dataset(y, 0), 0.2, seed=1)
    assert held.holds_values
    assert (len(kept), len(held)) == (24, 6)
    np.testing.assert_array_equal(held.y, y[held.X[:, 0].astype(int)])


def test_draw_takes_every_row_about_as_often():
    times = np.zeros(30)
    for seed in range(400):
        times[draw(30, 6, np.random.default_rng(seed), np.arange(30) % 2)[1]] += 1
    assert times.sum() == 400 * 6
    assert 50 < times.min() <= times.max() < 115


def test_runs_are_spread_and_disjoint(rng):
    for n, n_held, length in [(12, 11, 1), (1000, 100, 7), (1000, 999, 7), (10, 1, 100), (10**6, 10**5, 1300)]:
        rows = spread_runs(n, n_held, length, rng)
        assert len(rows) == n_held
        assert (np.diff(rows) > 0).all()
        assert 0 <= rows[0] <= rows[-1] < n
    assert np.abs(np.bincount(rows * 10 // 10**6) - 10**4).max() < 1400


@pytest.fixture
def mapped(tmp_path, monkeypatch):
    """A set of 20 000 rows in a mapped file, sorted by class."""
    monkeypatch.setattr(source, "MAP_FROM", 1000)
    monkeypatch.setattr(splitting, "RUN", 64 * 100)
    X = np.arange(20_000, dtype=np.float32)[:, None].repeat(100, axis=1)
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", np.arange(20_000) // 2000)
    return load_data(tmp_path / "X.npy")[0]


def test_a_mapped_file_is_split_without_a_copy_of_it(mapped, tmp_path):
    before = (tmp_path / "X.npy").read_bytes()
    assert private_map(mapped.X) is not None
    tracemalloc.start()
    kept, held = split(mapped, 0.1, seed=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.35 * mapped.X.nbytes
    assert (tmp_path / "X.npy").read_bytes() == before
    assert (len(kept), len(held)) == (18_000, 2000)
    assert sorted([*kept.X[:, 0], *held.X[:, 0]]) == list(range(20_000))
    for part in (kept, held):
        np.testing.assert_array_equal(part.y, part.X[:, 99] // 2000)
    assert np.abs(np.bincount(held.y) - 200).max() <= 32
    again = split(mapped, 0.1, seed=1)[1]
    np.testing.assert_array_equal(held.X, again.X)


def test_part_of_a_map_is_not_taken_for_all_of_it(mapped):
    assert private_map(mapped.X[:100]) is None
    assert private_map(mapped.X[:, 1:]) is None
    assert private_map(np.array(mapped.X)) is None


@pytest.mark.skipif(sys.platform != "linux", reason="needs files with holes")
def test_three_gigabytes_are_not_copied(tmp_path):
    n = 4_000_000
    with open(tmp_path / "X.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (n, 784)})
        file.truncate(file.tell() + n * 784)
    np.save(tmp_path / "y.npy", np.arange(n) % 10)
    data, _ = load_data(tmp_path / "X.npy")
    tracemalloc.start()
    kept, held = split(data, 10_000, seed=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert kept.X.shape == (n - 10_000, 784)
    assert len(held) == 10_000
    assert peak < 200e6

"""The comparison of tables with scikit-learn: its data and its table; what it measures is not asserted."""

import pytest

from bench.tabular import TARGET, made, render, write


def test_the_made_table_has_gaps_text_and_three_classes(tmp_path):
    columns = made(400)
    assert len(columns) == 31
    assert set(columns[TARGET]) == {"low", "middle", "high"}
    assert 5 < (columns["number2"] == "").sum() < 50
    write(columns, tmp_path)
    lines = [(tmp_path / f"{name}.csv").read_text().splitlines() for name in ("train", "test")]
    assert [len(part) for part in lines] == [301, 101]


@pytest.mark.parametrize(("seconds", "faster"), [(2.0, "5.0x"), (20.0, "0.5x")])
def test_the_table_has_medians(seconds, faster):
    row = {
        "fastnet": {"scores": [0.9, 0.8, 0.7], "seconds": [seconds, seconds, 99.0]},
        "scikit-learn": {"scores": [0.75], "seconds": [10.0]},
    }
    line = render({"rows": {"iris": row}}).splitlines()[-1]
    assert line == f"| iris | 0.800 | 0.750 | {seconds:.3g} s | 10 s | {faster} |"

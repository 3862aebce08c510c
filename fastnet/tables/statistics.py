"""What the training rows say about a column, gathered a piece at a time."""

import math
from dataclasses import dataclass, field

import numpy as np

from fastnet.tables.cells import Cells, Words, as_numbers, as_words, first_other_unit, require_finite, units
from fastnet.tables.numerals import is_padded

MOST_NAMES = 1 << 16  # different names that are counted; of a column with more, the later ones are not told apart


@dataclass
class Statistics:
    """Counts, moments and names of one column.

    n : rows. gaps : rows without a value. texts : rows with text that is no number. first_text : (row, text) of the
    first of them. unit : of the first number that came as text. other_unit : (row, text) of a number with another one.
    counts : rows by name, for cells that came as text. padded : whether one of them is a whole number with leading
    zeros; whole : whether all are of figures alone. mean, m2 : of the numbers, float64, m2 the sum of squared
    deviations. is_counter : whether every number is its row's number plus the same whole number.
    """

    name: str
    n: int = 0
    gaps: int = 0
    texts: int = 0
    first_text: tuple[int, str] | None = None
    unit: str | None = None
    other_unit: tuple[int, str] | None = None
    counts: dict[str, int] = field(default_factory=dict)
    padded: bool = False
    whole: bool = True
    numbers: int = 0
    mean: float = 0.0
    m2: float = 0.0
    low: float = math.inf
    high: float = -math.inf
    lead: tuple[float, float] = (math.inf, -math.inf)

    @property
    def deviation(self) -> float:
        """The standard deviation of the numbers, divided by n."""
        return math.sqrt(self.m2 / self.numbers) if self.numbers else 0.0

    @property
    def is_padded(self) -> bool:
        """Whether the cells are codes: whole numbers, of which one or more have leading zeros."""
        return self.padded and self.whole

    @property
    def is_counter(self) -> bool:
        """Whether the numbers count the rows."""
        return self.numbers == self.n > 2 and self.lead[0] == self.lead[1]

    def add(self, cells: Cells, rows: np.ndarray, table: str, *, categorical: bool) -> None:
        """Add the cells of a piece, whose rows have the numbers ``rows``, int64 (n,), from 0."""
        self.n += len(rows)
        if categorical or isinstance(cells, Words):
            words = as_words(cells)  # names as they are when the column is encoded
            self._count(words)
        if categorical:
            self.gaps += int(np.count_nonzero(words.codes < 0))
            return
        if isinstance(cells, Words):
            self._look_for_codes(cells)
            self._compare_units(cells, rows)
        values, text = as_numbers(cells)
        if text.any() and self.first_text is None:
            at = int(text.argmax())
            self.first_text = int(rows[at]), cells.names[cells.codes[at]]  # type: ignore[union-attr]
        self.texts += int(np.count_nonzero(text))
        known = ~np.isnan(values)
        self.gaps += len(values) - int(np.count_nonzero(known | text))
        if known.any():
            require_finite(values, table, self.name, rows)
            with np.errstate(over="ignore", invalid="ignore"):  # `choose` refuses what is so large
                self._merge(values[known], rows[known])

    def _count(self, words: Words) -> None:
        times = np.bincount(words.codes[words.codes >= 0], minlength=len(words.names))
        for name, count in zip(words.names, times.tolist(), strict=True):
            if count and (name in self.counts or len(self.counts) < MOST_NAMES):
                self.counts[name] = self.counts.get(name, 0) + count

    def _look_for_codes(self, words: Words) -> None:
        present = [words.names[code] for code in np.unique(words.codes[words.codes >= 0])]
        self.padded = self.padded or any(map(is_padded, present))
        self.whole = self.whole and all(map(str.isdigit, present))

    def _compare_units(self, words: Words, rows: np.ndarray) -> None:
        if self.unit is None:
            self.unit = next((unit for unit in units(words) if unit is not None), None)
        found = None if self.unit is None else first_other_unit(words, self.unit)
        if found is not None and self.other_unit is None:
            self.other_unit = int(rows[found[0]]), found[1]

    def _merge(self, values: np.ndarray, rows: np.ndarray) -> None:
        """Chan, Golub and LeVeque, 1979: the moments of two sets of numbers from those of each."""
        n, mean = len(values), float(values.mean())
        m2, shift, total = float(np.square(values - mean).sum()), mean - self.mean, n + self.numbers
        self.m2 += m2 + shift * shift * self.numbers * n / total
        self.mean += shift * n / total
        self.numbers = total
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        if self.lead[0] >= self.lead[1] or not math.isfinite(self.lead[0]):
            lead = values - rows
            self.lead = min(self.lead[0], float(lead.min())), max(self.lead[1], float(lead.max()))

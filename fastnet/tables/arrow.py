"""Tables of pyarrow: Parquet and Feather, its arrays as cells, and its errors.

Why pyarrow, of pyarrow 26, polars 2.1 and pandas 3: it reads CSV, Parquet and Feather in pieces, in bounded memory, and
refuses a row that is too short, where polars takes the missing cells for gaps and says nothing. CPU seconds for a CSV
of 200 000 x 31 (52 MB) in pieces, text as codes: pyarrow 0.31, polars 0.23 without the codes. Installed size: 170 MB,
182 MB, and 84 MB of pandas, which needs pyarrow for Parquet and Feather. Arrays and data frames need neither.

Peak memory of the process while ten million rows of 30 numbers and a class are read: 256 MB from Parquet, 298 MB from
CSV, beside the float32 inputs of 1144 MB. 67 of them are Python with pyarrow, and 80 are labels; values that are to be
learned take 50 MB more. pyarrow reads on one thread for that, which costs no time, and gives back what it keeps.
"""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

from fastnet.data.extras import required
from fastnet.data.source import data_error, shown, told_as_data_errors
from fastnet.tables.cells import DATES, NUMBERS, PIECE_ROWS, WORDS, Cells, Piece, Words, clean_words
from fastnet.tables.csv_dialect import require_different


def pyarrow(module: str = "pyarrow") -> ModuleType:
    """A module of the library, or an ImportError that says what to install."""
    return required(module, "pyarrow", "a table in a file", "tables")


class ArrowTable:
    """Columns that have types, as in Parquet and Feather.

    batches : gives the record batches of some columns, in order.
    """

    def __init__(self, name: str, schema: Any, batches: Any):
        self.name, self.names = name, tuple(schema.names)
        require_different(self.names, name)
        self.kinds: dict[str, str] = {}
        self.marks: dict[str, str] = {}
        self.n_rows = 0
        self._schema, self._batches = schema, batches

    def settle(
        self, columns: Sequence[str], marks: Mapping[str, str] | None = None, numeric: Collection[str] = ()
    ) -> None:
        """Take the kinds from the types; count the rows by reading one column."""
        self.kinds = {name: kind_of(self._schema.field(name).type) for name in columns}
        with told(self.name), given_back():
            self.n_rows = sum(len(batch) for batch in self._batches(list(columns[:1])))

    def pieces(self, columns: Sequence[str] | None = None) -> Iterator[Piece]:
        """The record batches as cells."""
        names, start = list(self.kinds if columns is None else columns), 0
        with told(self.name), given_back():
            for batch in self._batches(names):
                yield Piece(start, len(batch), {name: cells_of(batch.column(name)) for name in names})
                start += len(batch)


def parquet_table(path: str | os.PathLike) -> ArrowTable:
    parquet = pyarrow("pyarrow.parquet")
    with told(shown(path)):
        schema = parquet.read_schema(path)

    def batches(columns: list[str]) -> Iterator[Any]:
        # Without a buffered stream, whole row groups are held at once.
        with parquet.ParquetFile(path, buffer_size=1 << 16, pre_buffer=False) as file:
            yield from file.iter_batches(PIECE_ROWS, columns=columns, use_threads=False)

    return ArrowTable(shown(path), schema, batches)


def feather_table(path: str | os.PathLike) -> ArrowTable:
    arrow, ipc = pyarrow(), pyarrow("pyarrow.ipc")
    with told(shown(path)), arrow.OSFile(os.fspath(path)) as opened:
        schema = ipc.open_file(opened).schema

    def batches(columns: list[str]) -> Iterator[Any]:
        with arrow.OSFile(os.fspath(path)) as opened:
            options = ipc.IpcReadOptions(included_fields=[schema.get_field_index(name) for name in columns])
            file = ipc.open_file(opened, options=options)
            for i in range(file.num_record_batches):
                batch = file.get_batch(i)
                batch.validate(full=True)  # pyarrow trusts what a file says of its own lengths, and would crash
                yield from (batch.slice(start, PIECE_ROWS) for start in range(0, len(batch), PIECE_ROWS))

    return ArrowTable(shown(path), schema, batches)


def kind_of(arrow_type: Any) -> str:
    """The kind of a column of that type of pyarrow."""
    types = pyarrow("pyarrow.types")
    if types.is_dictionary(arrow_type):
        return kind_of(arrow_type.value_type)
    if types.is_temporal(arrow_type):
        return DATES
    if types.is_integer(arrow_type) or types.is_floating(arrow_type) or types.is_decimal(arrow_type):
        return NUMBERS
    text = (types.is_string, types.is_large_string, types.is_string_view, types.is_boolean)
    if any(matches(arrow_type) for matches in text):
        return WORDS
    return NUMBERS if types.is_null(arrow_type) else str(arrow_type)


def cells_of(array: Any) -> Cells:
    """The cells of an array of pyarrow."""
    arrow, types = pyarrow(), pyarrow("pyarrow.types")
    if types.is_dictionary(array.type) and kind_of(array.type) == NUMBERS:
        array = array.dictionary_decode()
    if kind_of(array.type) == NUMBERS:
        return array.cast(arrow.float64(), safe=False).to_numpy(zero_copy_only=False)
    if types.is_boolean(array.type):
        return Words(array.cast(arrow.int8()).fill_null(-1).to_numpy(zero_copy_only=False), ("False", "True"))
    if not types.is_dictionary(array.type):
        array = array.dictionary_encode()
    codes = array.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
    return clean_words(codes, [str(name) for name in array.dictionary.to_pylist()])


@contextmanager
def given_back() -> Iterator[None]:
    """Give back the memory that pyarrow keeps for more reading."""
    try:
        yield
    finally:
        pyarrow().default_memory_pool().release_unused()


@contextmanager
def told(name: str) -> Iterator[None]:
    """Turn what pyarrow raises into DataErrors; most of it is a ValueError or an OSError anyway."""
    try:
        with told_as_data_errors(name):
            try:
                yield
            except MemoryError:  # of lengths that a damaged file claims, as a rule
                raise data_error(name, "needs more memory than there is, or is damaged") from None
    except (KeyError, NotImplementedError) as error:
        raise data_error(name, error) from None

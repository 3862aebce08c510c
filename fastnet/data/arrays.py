"""What callers and files may give as X and y, brought to the few forms that the rest of the package works with.

Everything here raises a ValueError (a TypeError where the kind of object is wrong) that names the argument, what was
expected, what came and what to do. Checks of values go through the data in blocks, so that they need no second copy.
"""

from typing import Any

import numpy as np

BLOCK = 1 << 20  # elements looked at in one piece
LABELS_HINT = "; labels of text become numbers by names, y = np.unique(y, return_inverse=True)"


def check_X(X: Any, *, width: int | None = None, name: str = "X") -> np.ndarray:
    """Return X, the rows of a file, as C-contiguous (n, d) uint8, float32 or float64; X itself where it is one.

    X, width : as for `check_rows`. uint8 stays uint8; bool and other integers become float32 with the values they have,
        float16 float32, longer floats float64.
    Raises ValueError or TypeError as `check_rows` does, and on NaN or infinities.
    """
    X = _kernel_dtype(check_rows(X, width=width, name=name))
    check_finite(X, name)
    return X


def check_rows(X: Any, *, width: int | None = None, name: str = "X") -> np.ndarray:
    """Return X as an array (n, d) of bool, integers or floats of the type they have; no copy if it is an array.

    X : array-like (n, d), (n, h, w) or (n, d, 1). width : the number of columns expected; None takes any.
    Raises ValueError or TypeError on anything else, and on no rows or no columns.
    """
    if X is not None:
        _refuse_text_columns(X, name)
    X = as_numbers(X, name)
    if X.ndim == 3:
        if 0 in X.shape:
            raise ValueError(f"{name} must have at least one row and one column, got shape {X.shape}")
        X = X.reshape(len(X), -1)
    if X.ndim != 2:
        hint = f"; one sample is {name}.reshape(1, -1)" if X.ndim == 1 else ""
        raise ValueError(f"{name} must have shape (n, d), (n, h, w) or (n, d, 1), got {X.shape}{hint}")
    n, d = X.shape
    if width is not None and d != width:
        hint = f": axis 0 has {width}, so {name} looks transposed; pass {name}.T" if n == width else ""
        raise ValueError(f"{name} must have {width} columns (axis 1), got shape {X.shape}{hint}")
    if n == 0 or d == 0:
        raise ValueError(f"{name} must have at least one row and one column, got shape {X.shape}")
    return X


def in_units(X: np.ndarray, scale: float, dtype: np.dtype) -> np.ndarray:
    """Return X as a network takes it that has this ``input_scale`` and dtype.

    This is the one rule of what inputs are worth:

    * Integers of any width, signed or not, count in units of ``scale``. uint8 stays uint8, and the kernels multiply;
      any other integers become floats, by the same product. The same integers give the same bits in any type.
    * bool is the numbers 0 and 1, and floats are used as they are.

    X : bool, integers or floats (n, d). Returns uint8 or ``dtype``, C-contiguous; X itself where it is so already.
    A float may overflow to an infinity.
    """
    return np.ascontiguousarray(X) if X.dtype == np.uint8 else as_floats(X, scale, dtype)


def as_floats(X: Any, scale: float, dtype: np.dtype) -> Any:
    """By the rule of `in_units`, the floats of ``dtype`` that X, an array or a SciPy sparse matrix, is worth."""
    with np.errstate(over="ignore"):
        floats = X.astype(dtype, copy=False) if hasattr(X, "tocsr") else np.ascontiguousarray(X, dtype)
        if X.dtype.kind in "iu":
            floats *= dtype.type(scale)
    return floats


def check_labels(y: Any, n: int, n_classes: int | None = None, name: str = "y") -> np.ndarray:
    """Return the labels of n rows as int64 (n,).

    y : array-like of whole numbers (n,) or (n, 1), or one-hot rows (n, k) or (n, k, 1).
    n_classes : labels must be 0 <= y < n_classes, one-hot rows n_classes wide; None takes any class from 0 on.
    """
    y = _squeezed(as_numbers(y, name, LABELS_HINT), n, name)
    if y.ndim == 2:
        if n_classes is not None and y.shape[1] != n_classes:
            raise ValueError(f"{name} must have one column per class ({n_classes}) or one in all, got shape {y.shape}")
        labels = _one_hot_labels(y)
        if labels is None:
            raise ValueError(
                f"{name} of shape {y.shape} must be one-hot, a single 1 in each row and 0 elsewhere; it is not: "
                "pass labels of shape (n,)"
            )
        return labels
    return _whole_labels(y, n_classes, name)


def check_targets(y: Any, n: int, k: int, name: str = "y") -> np.ndarray:
    """Return the targets of n rows for k outputs with a mean squared or binary cross-entropy loss.

    Labels, (n,) or (n, 1), and one-hot rows, (n, k) or (n, k, 1), are returned as int64 (n,); any other numbers of
    shape (n, k) or (n, k, 1) as C-contiguous float32 or float64 (n, k). With k = 1 there are no labels: y is (n,) or
    (n, 1) and (n, 1) is returned.
    """
    y = _squeezed(as_numbers(y, name, LABELS_HINT), n, name)
    if k == 1 and y.ndim == 1:
        y = y.reshape(n, 1)
    if y.ndim == 1:
        return _whole_labels(y, k, name)
    if y.shape[1] != k:
        raise ValueError(f"{name} must have one column per output ({k}), got shape {y.shape}")
    if k > 1:
        labels = _one_hot_labels(y)
        if labels is not None:
            return labels
    # float64 where float32 would round integers
    targets = _kernel_dtype(y.astype(np.result_type(y, np.float32), copy=False))
    check_finite(targets, name)
    return targets


def check_finite(a: np.ndarray, name: str) -> None:
    """Raise a ValueError that names the first NaN or infinity of a 2-D array."""
    if a.dtype.kind != "f":
        return
    numbers = a.reshape(-1)
    for start in range(0, len(numbers), BLOCK):
        finite = np.isfinite(numbers[start : start + BLOCK])
        if not finite.all():
            row, column = divmod(start + int(np.argmin(finite)), a.shape[1])
            value = a[row, column]
            raise ValueError(
                f"{name} must be finite, got {value} in row {row}, column {column}: replace or remove such rows"
            )


def _refuse_text_columns(X: Any, name: str) -> None:
    """Name the columns of a data frame that hold text, dates or the like: as an array, all of it would be objects."""
    dtypes: Any = getattr(X, "dtypes", None)
    if not hasattr(dtypes, "items"):
        return
    strange = [f"{column!r} ({dtype})" for column, dtype in dtypes.items() if getattr(dtype, "kind", "O") not in "buif"]
    if strange:
        more = f" and {len(strange) - 3} more" if len(strange) > 3 else ""
        raise TypeError(
            f"{name} must hold real numbers, got other columns: {', '.join(strange[:3])}{more}; "
            "leave them out, or make numbers of them (pandas.get_dummies)"
        )


def as_numbers(a: Any, name: str, text_hint: str = "") -> np.ndarray:
    """Any array-like of real numbers as a plain ndarray in native byte order; no copy if it is one.

    text_hint : what the error says besides where it is text.
    """
    if a is None:
        raise TypeError(f"{name} must be an array of numbers, got None")
    if isinstance(a, np.ma.MaskedArray):
        raise TypeError(f"{name} must be a plain array, got a masked one: fill or drop what is masked")
    if hasattr(a, "tocsr"):
        raise TypeError(f"{name} must be a dense array, got a sparse one: pass {name}.toarray()")
    try:
        a = np.asarray(a)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{name} must be an array of numbers with rows of one length: {error}") from None
    if a.dtype.kind not in "buif":
        kinds = {"c": "complex numbers", "O": "objects", "M": "dates", "m": "time spans", "V": "records"}
        what = "text" if is_text(a) else kinds.get(a.dtype.kind, "text")
        raise TypeError(
            f"{name} must hold real numbers, got {what} (dtype {a.dtype}){text_hint if what == 'text' else ''}"
        )
    return a if a.dtype.isnative else a.astype(a.dtype.newbyteorder("="))


def is_text(a: np.ndarray) -> bool:
    """Whether an array holds strings, also among objects, as those of pandas are."""
    return a.dtype.kind in "UT" or (a.dtype.kind == "O" and any(isinstance(value, str) for value in a.flat))


def _kernel_dtype(a: np.ndarray) -> np.ndarray:
    """C-contiguous uint8, float32 or float64."""
    keep = (np.dtype(np.uint8), np.dtype(np.float32), np.dtype(np.float64))
    if a.dtype in keep:
        return np.ascontiguousarray(a)
    wide = a.dtype.kind == "f" and a.dtype.itemsize > 4
    return a.astype(np.float64 if wide else np.float32, order="C")


def _squeezed(y: np.ndarray, n: int, name: str) -> np.ndarray:
    """y for n rows as (n,) or (n, k), k > 1; complains about any other shape."""
    if y.ndim == 3 and y.shape[2] == 1:
        y = y[:, :, 0]
    if y.ndim not in (1, 2):
        raise ValueError(f"{name} must have shape (n,), (n, 1), (n, k) or (n, k, 1), got {y.shape}")
    if len(y) != n:
        if y.ndim == 2 and y.shape[1] == n:
            raise ValueError(
                f"{name} must have its {n} rows on axis 0, got shape {y.shape}: {name} looks transposed; pass {name}.T"
            )
        raise ValueError(f"{name} must have one entry for each of the {n} rows of X, got {len(y)} (shape {y.shape})")
    return y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y


def _one_hot_labels(y: np.ndarray) -> np.ndarray | None:
    """int64 (n,) of one-hot rows (n, k); None if some row is not one-hot."""
    labels = np.empty(len(y), np.int64)
    rows = max(1, BLOCK // max(1, y.shape[1]))
    for start in range(0, len(y), rows):
        block = y[start : start + rows]
        ones = block == 1
        if not (np.count_nonzero(ones, axis=1) == 1).all() or np.count_nonzero(block) != len(block):
            return None
        labels[start : start + rows] = ones.argmax(axis=1)
    return labels


def _whole_labels(y: np.ndarray, n_classes: int | None, name: str) -> np.ndarray:
    """int64 (n,) of 1-D whole numbers in range."""
    if y.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            whole = np.isfinite(y) & (y == np.floor(y)) & (np.abs(y) < 2.0**53)
        if not whole.all():
            row = int(np.argmin(whole))
            raise ValueError(f"{name} must hold whole numbers as labels, got {y[row]} in row {row}")
    if not len(y):
        return np.empty(0, np.int64)
    low, high = int(y.min()), int(y.max())
    top = np.iinfo(np.int64).max if n_classes is None else n_classes - 1
    if low < 0 or high > top:
        row = int(np.argmin(y) if low < 0 else np.argmax(y))
        expected = "from 0 on" if n_classes is None else f"from 0 to {top}, one for each of {n_classes} classes"
        hint = ""
        if low == 1 and high == n_classes:
            hint = ": labels count from 0, subtract 1"
        elif low >= 0:
            hint = f": for labels up to {high} make the network's last size {high + 1}"
        raise ValueError(f"{name} must hold labels {expected}, got {low if low < 0 else high} in row {row}{hint}")
    return np.ascontiguousarray(y, np.int64)

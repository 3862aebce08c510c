"""Numbers as they are written in tables: 3.5, but also 3.1%, $1,234.50 and 1 234."""

import math
import re

_PLAIN = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?inf(inity)?", re.IGNORECASE | re.ASCII)
# A mark between thousands stands before every three digits, the same each time.
_THOUSANDS = r"\d{1,3}(?P<mark>[, '\u2019\u00a0\u202f])\d{3}(?:(?P=mark)\d{3})*(?:\.\d*)?"
_WRITTEN = re.compile(
    rf"(?P<sign>[-+]?)(?P<before>[$\u20ac\u00a3\u00a5]?)[ \u00a0]?(?P<digits>{_THOUSANDS}|\d+\.?\d*|\.\d+)"
    r"[ \u00a0]?(?P<after>[%$\u20ac\u00a3\u00a5]?)",
    re.ASCII,
)
_SWAPPED = str.maketrans(",.", ".,")


def plain_number(text: str) -> float:
    """The number that a text is without marks between thousands and without a unit; NaN for any other text."""
    return float(text) if _PLAIN.fullmatch(text) else math.nan


def number_and_unit(text: str) -> tuple[float, str]:
    """(the number, its unit) of a text; the unit is %, a sign of a currency or empty. NaN for any other text.

    A unit does not change the number: 3.1% is 3.1, as it is where a column has the sign in its name.
    """
    value = plain_number(text)
    if not math.isnan(value):
        return value, ""
    found = _WRITTEN.fullmatch(text)
    if found is None or (found["before"] and found["after"]):
        return math.nan, ""
    digits = found["digits"].replace(found["mark"], "") if found["mark"] else found["digits"]
    return float(found["sign"] + digits), found["before"] or found["after"]


def number_of(text: str) -> float:
    """The number that a text is, however it is written; NaN for any other text."""
    return number_and_unit(text)[0]


def with_decimal_point(text: str) -> str:
    """A number that is written with a decimal comma, as 1.234,5, with a decimal point; any other text as it is."""
    swapped = text.translate(_SWAPPED)
    return text if math.isnan(number_of(swapped)) else swapped

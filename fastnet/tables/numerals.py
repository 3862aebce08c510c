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
_ONE_MARK = re.compile(r"[-+]?(\d+)([.,])(\d+)", re.ASCII)
_BEFORE_THOUSANDS = re.compile(r"[1-9]\d{0,2}", re.ASCII)
_ZERO_FIRST = re.compile(r"\D*0")
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


def is_padded(text: str) -> bool:
    """Whether a text is a whole number with leading zeros, as 06340, which is a code rather than a number."""
    return len(text) > 1 and text[0] == "0" and text.isascii() and text.isdigit()


def number_of(text: str) -> float:
    """The number that a text is, however it is written; NaN for any other text."""
    return number_and_unit(text)[0]


def decimal_marks(text: str) -> str:
    """The marks, of . and ",", that may be the decimal one of a number with such marks: "", ".", "," or ".,"."""
    found = _ONE_MARK.fullmatch(text)
    if found:  # the commonest case, and much faster than what follows
        return ".," if _BEFORE_THOUSANDS.fullmatch(found[1]) and len(found[3]) == 3 else found[2]
    if "." not in text and "," not in text:
        return ""
    marks = "".join(
        mark for mark, own in ((".", text), (",", text.translate(_SWAPPED))) if not math.isnan(number_of(own))
    )
    # 0.125 is no 125: the first figure before thousands is not 0.
    return max(".,", key=text.rfind) if len(marks) == 2 and _ZERO_FIRST.match(text) else marks


def with_decimal_point(text: str) -> str:
    """A number that is written with a decimal comma, as 1.234,5, with a decimal point; any other text as it is."""
    swapped = text.translate(_SWAPPED)
    return text if math.isnan(number_of(swapped)) else swapped

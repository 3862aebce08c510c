"""Texts that are dates or times."""

import re

_DAY = r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2}))"
_DATE = re.compile(rf"{_DAY}([ T]\d{{1,2}}:\d{{2}}.*)?|\d{{1,2}}:\d{{2}}(:\d{{2}}(\.\d+)?)?")


def looks_like_a_date(text: str) -> bool:
    """Whether a text is a date, a time, or both, in figures."""
    return _DATE.fullmatch(text) is not None

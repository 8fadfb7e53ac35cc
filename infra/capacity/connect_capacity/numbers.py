"""Numbers as people write them: 200000, 200,000, 200k, 1.5M."""

from __future__ import annotations

import math
import re

_UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9}
_NUMBER = re.compile(r"([0-9.]+(?:e[+-]?[0-9]+)?) ?([kmg]?)", re.IGNORECASE)
_THOUSANDS = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+")


def read_number(text: str) -> float:
    """A number that is not negative, with commas between thousands, or a unit: k, M or G.

    Raises ValueError, which says what it may look like.
    """
    text = text.strip()
    if _THOUSANDS.fullmatch(text):
        text = text.replace(",", "")
    match = _NUMBER.fullmatch(text)
    try:
        number = float(match.group(1)) * _UNITS[match.group(2).lower()] if match else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"'{text}' is not a number, such as 200000, 200,000, 200k or 1M")
    return number


def read_numbers(text: str) -> list[float]:
    """Numbers separated by commas, spaces or both.

    A comma between groups of three digits is one of thousands: `200,000` is one number, and
    `100, 200` with a space are two.
    """
    numbers: list[float] = []
    for part in re.split(r",?\s+", text.strip()):
        numbers += map(read_number, [part] if _THOUSANDS.fullmatch(part) else part.split(","))
    return numbers

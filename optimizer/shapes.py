"""The JSON Schema of values in an instance file, by name, with which editors check a file while it is typed.

A number may be written as text, such as ``2.5B``; the schema checks bounds only of plain numbers.
"""

from collections.abc import Mapping
from typing import Any

Shape = Mapping[str, Any]
# Larger numbers leave too few digits to the usual ones beside them: the audit would refuse the solver's plans.
LARGEST = 1e13
# With larger ratios, sizes of an activity would lie below `tolerances.NEGLIGIBLE_SIZE`.
LARGEST_RATIO = 1e6
_DIGITS = r"(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)([eE][-+]?\d+)?\s*[kMB]?$"


def _number(sign: str, **bounds: float) -> dict[str, Any]:
    return {"type": ["number", "string"], "pattern": f"^{sign}?{_DIGITS}", **bounds}


def _keys(properties: Shape, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False, **more}


def _list_of(item: Shape, size: int) -> dict[str, Any]:
    return {"type": "array", "items": item, "minItems": size, "maxItems": size}


def one_or_more(item: Shape) -> dict[str, Any]:
    """Return the shape of one item or a list of items."""
    return {"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]}


def years(number: Shape) -> dict[str, Any]:
    """Return the shape of a mapping from calendar years to numbers."""
    shape = {"type": "object", "patternProperties": {r"^(19\d\d|2[01]\d\d|2200)$": number}, "minProperties": 1}
    return {**shape, "additionalProperties": False}


def series(number: Shape) -> dict[str, Any]:
    """Return the shape of a number, or of a mapping from calendar years to numbers."""
    return {"anyOf": [number, years(number)]}


AMOUNT = _number("[-+]", minimum=-LARGEST, maximum=LARGEST)
QUANTITY = _number(r"\+", minimum=0, maximum=LARGEST)
RATIO = _number(r"\+", minimum=0, maximum=LARGEST_RATIO)
POSITIVE_NUMBER = _number(r"\+", exclusiveMinimum=0, maximum=LARGEST)
SHARE = _number(r"\+", minimum=0, maximum=1)
POSITIVE_SHARE = _number(r"\+", exclusiveMinimum=0, maximum=1)
NAME = {"type": ["string", "number"]}
PERIOD = {"type": ["string", "integer"]}
DRAWN_NUMBER: dict[str, Any] = {
    "anyOf": [
        AMOUNT,
        _keys(
            {
                "uniform": {**_list_of(AMOUNT, 2), "description": "[low, high]"},
                "triangular": {**_list_of(AMOUNT, 3), "description": "[low, mode, high]"},
                "beta": {**_list_of(AMOUNT, 2), "description": "[a, b], between low (0) and high (1)"},
                "lognormal": {**_list_of(AMOUNT, 2), "description": "[median, sigma], clipped to low and high"},
                "discrete": {"type": "object", "minProperties": 1, "description": "{value: weight}"},
                "low": AMOUNT,
                "high": AMOUNT,
            },
            minProperties=1,
        ),
    ]
}
STARTS: dict[str, Any] = {
    "anyOf": [
        PERIOD,
        {"type": "array", "items": PERIOD, "minItems": 1},
        _keys({"from": PERIOD, "to": PERIOD, "every": {"enum": ["year", "quarter", "month"]}}, required=["from"]),
    ]
}
RANDOM_STARTS: dict[str, Any] = {"anyOf": [STARTS, _keys({"uniform": _list_of(PERIOD, 2)}, required=["uniform"])]}
MEASURE: dict[str, Any] = {
    "anyOf": [
        {"enum": ["expected", "worst", "regret"]},
        _keys(
            {
                "cvar": {**_number(r"\+", minimum=0, exclusiveMaximum=1), "description": "Share below the tail."},
                "weight": {**SHARE, "description": "Share of it beside the expected cost. Default 1."},
            },
            required=["cvar"],
        ),
    ]
}
# The named definitions of the schema; an uncertain number may replace each of these.
NUMBER_SHAPES: Mapping[str, Shape] = {
    "Amount": AMOUNT,
    "Quantity": QUANTITY,
    "Ratio": RATIO,
    "Positive": POSITIVE_NUMBER,
    "Share": SHARE,
}
SHARED: Mapping[str, Shape] = {
    **NUMBER_SHAPES,
    "AmountSeries": series(AMOUNT),
    "QuantitySeries": series(QUANTITY),
    "ShareSeries": series(SHARE),
    "PositiveByYear": years(POSITIVE_NUMBER),
    "QuantityByYear": years(QUANTITY),
    "Names": one_or_more(NAME),
    "Shares": one_or_more(SHARE),
    "Durations": one_or_more(POSITIVE_NUMBER),
    "Drawn": DRAWN_NUMBER,
    "DrawnProfile": one_or_more(DRAWN_NUMBER),
    "Starts": STARTS,
    "RandomStarts": RANDOM_STARTS,
}

"""Names the order in which something grows, by the exponent that fits it best."""

from __future__ import annotations

from math import log

_NOISE = 0.1  # a growth of less than this part of the value at the start is none
_LINEAR = 1.15  # what noise makes of a straight line


def growth_order(values: dict[int, float]) -> str:
    """Fit ``a + b * n ** k`` and name the order.

    The constant part is the smallest value where zero was measured, and nothing where it was not.

    Args:
        values: Values by number.
    """
    exponent = fitted_exponent(values)
    if exponent is None:
        return "constant"
    name = "better than linear" if exponent < 0.9 else "linear" if exponent <= _LINEAR else "**worse than linear**"
    return f"{name}: n^{exponent:.2f}"


def fitted_exponent(values: dict[int, float]) -> float | None:
    """Return the exponent that fits best, by least squares on the logarithms; ``None`` where nothing grows.

    Args:
        values: Values by number.
    """
    start = min(values.values()) if 0 in values else 0.0
    points = [(log(n), log(value - start)) for n, value in values.items() if n and value - start > start * _NOISE]
    if len(points) < 2:
        return None
    mean_x, mean_y = (sum(column) / len(points) for column in zip(*points, strict=True))
    spread: float = sum((x - mean_x) ** 2 for x, _ in points)
    together: float = sum((x - mean_x) * (y - mean_y) for x, y in points)
    return together / spread

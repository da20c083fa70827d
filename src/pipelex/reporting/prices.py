"""What a call costs, by the prices that the package genai-prices ships; nothing is fetched.

They are gathered from the vendors' price pages (https://github.com/pydantic/genai-prices), and a newer release of the
package brings newer ones. It is imported when the first call is priced, never while one runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pipelex.reporting.reporting_protocol import InferenceRecord, InferenceUsage


__all__ = ["cost_of", "price_of"]


class _Unit(NamedTuple):
    """What a count of ours is called in genai-prices.

    Attributes:
        usage: The count.
        price: The price without which the count makes a cost unknown; ``None`` for a part of another count, which is
            charged like the rest of it where it has no price of its own.
    """

    usage: str
    price: str | None


_UNITS = {
    "input_tokens": _Unit("input_tokens", "input_mtok"),
    "output_tokens": _Unit("output_tokens", "output_mtok"),
    "cached_input_tokens": _Unit("cache_read_tokens", None),
    "cache_write_tokens": _Unit("cache_write_tokens", None),
    "reasoning_tokens": _Unit("output_reasoning_tokens", None),
    "input_image_tokens": _Unit("input_image_tokens", None),
    "output_image_tokens": _Unit("output_image_tokens", None),
    "input_audio_tokens": _Unit("input_audio_tokens", None),
    "output_audio_tokens": _Unit("output_audio_tokens", None),
    "pages": _Unit("input_document_pages", "input_document_kpages"),
    "searches": _Unit("web_searches", "web_searches_kcount"),
}
_PRICES_OF_IMAGES = {"input_image_tokens": "input_image_mtok", "output_image_tokens": "output_image_mtok"}

_MOST_UNLISTED = 1000
_unlisted: set[tuple[str, str]] = set()
"""Models that no list has: looking for one again, in hundreds of patterns, costs as much as a call."""


def cost_of(record: InferenceRecord) -> float | None:
    """Return what one call cost in US dollars, at today's price of the standard tier.

    Args:
        record: The call. A cost that it states itself is the cost.

    Returns:
        ``None`` where the cost is unknown: the price list, the model in it, a count or a price is missing, or tokens
        that are charged apart are counted together. What is unknown is never zero.
    """
    if record.cost_usd is not None:
        return record.cost_usd
    return price_of(record.usage, record.model_served or record.model_id, record.price_provider)


def price_of(usage: InferenceUsage | None, model: str | None, price_provider: str | None) -> float | None:
    """Return what some usage costs in US dollars, at today's price of the standard tier.

    Args:
        usage: The counts.
        model: The model, by its name in the price list.
        price_provider: Whose price list it is.

    Returns:
        ``None`` where the cost is unknown, as of :func:`cost_of`.
    """
    if usage is None or model is None or price_provider is None or (model, price_provider) in _unlisted:
        return None
    if (usage.input_tokens is None) != (usage.output_tokens is None):
        return None
    counts = {unit: count for name, unit in _UNITS.items() if (count := getattr(usage, name))}
    from genai_prices import Usage, calc_price

    try:
        counted = Usage(**{unit.usage: count for unit, count in counts.items()})
        found = calc_price(counted, model, provider_id=price_provider)
    except (LookupError, ValueError) as exc:  # no such list, no such model in it, or counts that cannot be
        if isinstance(exc, LookupError) and len(_unlisted) < _MOST_UNLISTED:
            _unlisted.add((model, price_provider))
        return None
    needed = [unit.price for unit in counts if unit.price is not None]
    if any(getattr(found.model_price, price) is None for price in needed):
        return None
    charged_apart = (name for name, price in _PRICES_OF_IMAGES.items() if getattr(found.model_price, price) is not None)
    if usage.images and any(getattr(usage, name) is None for name in charged_apart):
        return None  # text and images have different prices, and their tokens are one count
    return float(found.total_price) or None

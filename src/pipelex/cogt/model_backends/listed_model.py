"""One row of a model listing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["ListedModel"]


@dataclass(frozen=True, kw_only=True)
class ListedModel:
    """A model as its vendor lists it.

    Attributes:
        id: The vendor's id of the model: what stands behind ``backend/``.
        created: When the model was made, with time zone, where the vendor says.
        owner: Who owns it, where the vendor says.
        context_window: The context window, in tokens, where the vendor says.
    """

    id: str
    created: datetime | None = None
    owner: str | None = None
    context_window: int | None = None

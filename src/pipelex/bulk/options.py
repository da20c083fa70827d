"""How a run over many rows goes, and the record of one of its rows."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

from pipelex.bulk.exceptions import MapOptionError
from pipelex.records import dataclass

if TYPE_CHECKING:
    from pipelex.exceptions import PipelexError
    from pipelex.reporting.reporting_protocol import InferenceUsage

__all__ = ["MapOptions", "MapRow", "OnAmbiguous"]

ValueT_co = TypeVar("ValueT_co", covariant=True)

_MAY_BE_ZERO = ("limit", "max_failures")


class OnAmbiguous(StrEnum):
    """What becomes of a row whose call may have been charged when a run was interrupted."""

    RETRY = "retry"
    """The call is made again."""
    SKIP = "skip"
    """The row is recorded as failed with an AmbiguousRowError."""
    FAIL = "fail"
    """The run is refused with an AmbiguousRowsError before its first call."""


@dataclass(frozen=True, kw_only=True)
class MapOptions:
    """How a run over many rows goes.

    Attributes:
        concurrency: How many calls run at once; by default as many as the backend's ``max_concurrency``.
        requests_per_minute: How many requests are sent in a minute; by default as the backend is configured.
        tokens_per_minute: How many tokens are sent and received in a minute; by default as configured.
        limit: How many rows of the input are used, from its beginning.
        max_failures: How many rows may fail in this run; one more ends it with a MapLimitError.
        max_cost_usd: What all runs of the ledger may cost, in US dollars; then it ends with a MapLimitError, after the
            calls under way.
        retry_failed: Whether rows that failed in an earlier run are run again.
        on_ambiguous: What becomes of rows whose call may have been charged when a run was interrupted. ``None``: FAIL
            for calls that are charged on arrival (images), RETRY for others.
        new: Whether to drop what the ledger holds.

    Raises:
        MapOptionError: A number is out of its range.
    """

    concurrency: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    limit: int | None = None
    max_failures: int | None = None
    max_cost_usd: float | None = None
    retry_failed: bool = False
    on_ambiguous: OnAmbiguous | None = None
    new: bool = False

    def __post_init__(self) -> None:
        for name in ("concurrency", "requests_per_minute", "tokens_per_minute", "limit", "max_failures"):
            value, least = getattr(self, name), int(name not in _MAY_BE_ZERO)
            if value is not None and not (type(value) is int and value >= least):
                raise MapOptionError(option=name, value=value, expected=f"a whole number, {least} or more")
        cost = self.max_cost_usd
        if cost is not None and not (type(cost) in (int, float) and cost > 0):  # NaN is not greater, either
            raise MapOptionError(option="max_cost_usd", value=cost, expected="an amount above 0")
        if self.on_ambiguous is not None and self.on_ambiguous not in list(OnAmbiguous):
            expected = f"OnAmbiguous: {', '.join(OnAmbiguous)}"
            raise MapOptionError(option="on_ambiguous", value=self.on_ambiguous, expected=expected)
        if self.on_ambiguous is not None:  # the text does as well
            object.__setattr__(self, "on_ambiguous", OnAmbiguous(self.on_ambiguous))


@dataclass(frozen=True, kw_only=True)
class MapRow(Generic[ValueT_co]):
    """A row with its answer, or with the error that its call failed with.

    Attributes:
        index: The index of the row in the input, counted from 0.
        key: The user's key; the index where there is none.
        value: The answer; ``None`` where the call failed.
        error: The error that the call failed with; ``None`` where there is an answer.
        usage: What the call used, where that is known.
        cost_usd: What it cost in US dollars, where that is known.
        duration_s: How long it took, in seconds.
        attempts: How many requests it took.
        is_from_ledger: Whether an earlier run made the call.
    """

    index: int
    key: str | int
    value: ValueT_co | None = None
    error: PipelexError | None = None
    usage: InferenceUsage | None = None
    cost_usd: float | None = None
    duration_s: float | None = None
    attempts: int | None = None
    is_from_ledger: bool = False

    def unwrap(self) -> ValueT_co:
        """Return the answer.

        Raises:
            PipelexError: The error of the row, where its call failed.
        """
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # without an error there is a value, which may be None

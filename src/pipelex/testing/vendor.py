"""The vendor that the kit gives its orders to. An author writes each answer in the wire format of their SDK."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Generic, TypeVar

from pipelex.cogt.inference.inference_result import FinishReason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from pipelex.cogt.inference.inference_result import InferenceResult
    from pipelex.cogt.model_backends.model_spec import Capability

ContentT = TypeVar("ContentT")


class Fault(StrEnum):
    """What can go wrong between a driver and its vendor, and what the driver has to make of it."""

    UNAUTHORIZED = "unauthorized"
    """The vendor answers 401: InferenceAuthenticationError."""
    NOT_FOUND = "not_found"
    """The vendor answers 404: InferenceModelNotFoundError."""
    RATE_LIMITED = "rate_limited"
    """The vendor answers 429 with ``Retry-After: 7``: InferenceRateLimitError with ``retry_after=7``."""
    SERVER_ERROR = "server_error"
    """The vendor answers 500: InferenceServerError."""
    TIMEOUT = "timeout"
    """The vendor takes the request and never answers: a time-out, ambiguous where a request is charged."""
    STALLED = "stalled"
    """The vendor begins its answer and falls silent: InferenceTimeoutError or InferenceAmbiguousError."""
    CONNECTION_REFUSED = "connection_refused"
    """Nothing listens at the endpoint: InferenceConnectionError."""
    MALFORMED = "malformed"
    """The vendor answers 200 with something else than its format: InferenceInvalidAnswerError or ...ServerError."""
    TRUNCATED = "truncated"
    """The connection ends in the middle of the answer: InferenceServerError, or as where it is malformed."""


class Trait(StrEnum):
    """What the kit expects of a plugin, and an author may waive with a reason."""

    OPTIONAL_SDK = "optional_sdk"
    """An SDK that may be missing, guarded by ``require_sdk``."""
    CLIENT = "client"
    """A client, memoized through ``sdk_clients``."""
    USAGE = "usage"
    """Usage counts."""


if TYPE_CHECKING:
    Waivable = Fault | Trait | FinishReason | Capability
    Waivers = Mapping[Waivable, str]


def waive(*reasons: Waivers) -> Waivers:
    """Put waivers together for the hook ``cannot``.

    Args:
        reasons: What does not apply to the plugin, each with the reason.
    """
    return MappingProxyType({waived: reason for some in reasons for waived, reason in some.items()})


IN_PROCESS: Waivers = waive(
    dict.fromkeys(Fault, "it runs in this process: no vendor, no connection"),
    dict.fromkeys((FinishReason.LENGTH, FinishReason.CONTENT_FILTER), "it cannot be made to end early"),
)
"""The waivers of an engine that runs in process: ``cannot = waive(IN_PROCESS)``."""


class FakeVendor(ABC, Generic[ContentT]):
    """A vendor that follows orders; the kit opens one for every test.

    For an SDK that speaks HTTP, derive from ``pipelex.testing.loopback.LoopbackVendor`` instead and write the wire
    format alone. For an engine that runs in process and takes no orders, use :class:`RealEngine`.
    """

    takes_orders: bool = True
    """Whether it answers what is ordered. Where not, the kit compares less."""

    @property
    @abstractmethod
    def endpoint(self) -> str | None:
        """Where it listens, as ``backend.endpoint``; read after the orders are given."""

    @property
    @abstractmethod
    def requests(self) -> Sequence[bytes]:
        """What it was sent so far, request by request: all that depends on the job."""

    @abstractmethod
    def open(self) -> None:
        """Start it."""

    @abstractmethod
    def close(self) -> None:
        """Stop it, and raise what went wrong in the author's own code."""

    @abstractmethod
    def answer_with(self, answer: Callable[[str], InferenceResult[ContentT]]) -> None:
        """Order answers.

        Args:
            answer: Takes the token that a request carries in its prompt, document or query, and returns what the
                driver's hook is to make of the vendor's answer.
        """

    @abstractmethod
    def fail_with(self, fault: Fault | None) -> None:
        """Order a fault for every request from now on; ``None`` takes the order back."""

    @abstractmethod
    def wait_for_request(self, timeout: float) -> bool:
        """Wait until a request is under way; blocks. False where none came in time."""

    @abstractmethod
    def wait_until_let_go(self, timeout: float) -> bool:
        """Wait until no connection is open any more; blocks. False where one still is."""

    def __enter__(self) -> FakeVendor[ContentT]:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class RealEngine(FakeVendor[ContentT]):
    """No fake at all: an engine in this process, which answers by itself."""

    takes_orders = False

    @property
    def endpoint(self) -> str | None:
        """It listens nowhere."""
        return None

    @property
    def requests(self) -> Sequence[bytes]:
        """Nothing is sent."""
        return ()

    def open(self) -> None:
        """Nothing to start."""

    def close(self) -> None:
        """Nothing to stop."""

    def answer_with(self, answer: Callable[[str], InferenceResult[ContentT]]) -> None:
        """Take no notice: it answers by itself."""

    def fail_with(self, fault: Fault | None) -> None:
        """Refuse: it cannot be made to fail.

        Raises:
            NotImplementedError: Always.
        """
        msg = f"A real engine cannot be made to fail: give a reason for {fault!r} in 'cannot'."
        raise NotImplementedError(msg)

    def wait_for_request(self, timeout: float) -> bool:  # noqa: ARG002
        """Nothing is sent, so nothing arrives."""
        return False

    def wait_until_let_go(self, timeout: float) -> bool:  # noqa: ARG002
        """No connection is open."""
        return True

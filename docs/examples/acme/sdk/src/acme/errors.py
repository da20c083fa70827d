"""What the SDK raises."""

from __future__ import annotations


class AcmeError(Exception):
    """The root of the SDK's errors."""


class AcmeUnreachableError(AcmeError):
    """No connection to the server: nothing was sent."""


class AcmeTimeoutError(AcmeError):
    """The server did not answer in time."""


class AcmeBrokenAnswerError(AcmeError):
    """The request was sent, and the connection broke before the answer was whole."""


class AcmeUnreadableAnswerError(AcmeError):
    """The answer is whole, and not in Acme's format."""


class AcmeStatusError(AcmeError):
    """The server answered with an error.

    Args:
        message: What the server says.
        status: The HTTP status.
        request_id: The server's id of the request.
        retry_after: Seconds to wait before another attempt, where the server says so.
    """

    def __init__(self, message: str, *, status: int, request_id: str | None, retry_after: float | None) -> None:
        super().__init__(message)
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after

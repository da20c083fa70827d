"""The SDK of Acme, a vendor that does not exist."""

from acme.client import AcmeClient, AcmeModel, Completion, Usage
from acme.errors import (
    AcmeBrokenAnswerError,
    AcmeError,
    AcmeStatusError,
    AcmeTimeoutError,
    AcmeUnreachableError,
    AcmeUnreadableAnswerError,
)

__all__ = [
    "AcmeBrokenAnswerError",
    "AcmeClient",
    "AcmeError",
    "AcmeModel",
    "AcmeStatusError",
    "AcmeTimeoutError",
    "AcmeUnreachableError",
    "AcmeUnreadableAnswerError",
    "Completion",
    "Usage",
]

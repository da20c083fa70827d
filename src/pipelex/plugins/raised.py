"""What third-party code raised, in words; every step may run more of that code, and none of them may fail."""

from __future__ import annotations

from pipelex.redaction import redacted_beginning

MAX_MESSAGE = 2000
"""How many characters of a message are kept."""


def class_name(exc: BaseException) -> str:
    """Return the name of an exception's class; a metaclass of third-party code is not asked for it.

    Args:
        exc: The exception.
    """
    return str(type.__dict__["__name__"].__get__(type(exc)))


def described(exc: BaseException) -> str:
    """Return the class and the message of an exception from third-party code.

    Args:
        exc: The exception.
    """
    message = message_of(exc)
    return f"{class_name(exc)}: {message}" if message else class_name(exc)


def message_of(exc: BaseException) -> str:
    """Return the message of an exception from third-party code, cut at ``MAX_MESSAGE`` characters.

    Args:
        exc: The exception; its ``__str__`` may itself raise.
    """
    try:
        return redacted_beginning(str(exc), MAX_MESSAGE)
    except BaseException as failure:
        if isinstance(failure, KeyboardInterrupt):
            raise
        return f"(no message: its __str__ raised {class_name(failure)})"

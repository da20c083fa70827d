"""What third-party code raised or returned, in words; every step may run more of that code, and none may fail."""

from __future__ import annotations

from pipelex.redaction import redacted_beginning

MAX_MESSAGE = 2000
"""How many characters of a message are kept."""

_LONGEST_VALUE = 57


def class_name(value: object) -> str:
    """Return the name of the class of an exception or value; a metaclass of third-party code is not asked for it.

    Args:
        value: The exception or value.
    """
    return str(type.__dict__["__name__"].__get__(type(value)))


def shown(value: object) -> str:
    """Return a value and its type, briefly: it is third-party, its repr may be long, and may itself raise.

    Args:
        value: The value.
    """
    try:
        text = redacted_beginning(repr(value), _LONGEST_VALUE)
    except BaseException as failure:  # a RecursionError, of a value that is nested deeply
        if isinstance(failure, KeyboardInterrupt):
            raise
        text = f"a value whose __repr__ raised {class_name(failure)}"
    return f"{text} (a {class_name(value)})"


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

"""Calling an observer: what it raises never changes the outcome of what it observes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_logged: set[str] = set()  # the observers whose failure was logged, by the names of their classes


def notify(observer: object, call: Callable[[], object]) -> None:
    """Call an observer. What it raises is logged, once for each class of observers, and ignored.

    Args:
        observer: Whose class the log names: a reporting delegate, or the callback itself.
        call: Calls it.

    Raises:
        KeyboardInterrupt: The user interrupted the program while the observer ran.
    """
    try:
        returned = call()
    except KeyboardInterrupt:
        raise
    except BaseException as exc:
        _log(observer, exc)
    else:
        if hasattr(returned, "close") and hasattr(returned, "__await__"):
            returned.close()  # a coroutine, which nothing awaits
            _log(observer, TypeError("it is a coroutine function, which would never run: write it with 'def'"))


def _log(observer: object, error: BaseException) -> None:
    kind = observer if hasattr(observer, "__qualname__") else type(observer)
    name = f"{getattr(kind, '__module__', '')}.{getattr(kind, '__qualname__', '')}"
    if name in _logged:
        return
    _logged.add(name)
    import logging

    from pipelex.redaction import scrub

    scrub(error)
    logging.getLogger("pipelex.reporting").error(
        "%s failed. The call that it observes is not affected; further failures of it are not logged.",
        name,
        exc_info=error,
    )

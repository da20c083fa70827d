"""Planted keys, and the hunt for them in whatever anybody could print."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

CANARY = "canary-5d41402abc4b2a76b9719d911017c592"
EXTRA_CANARY = "canary-7d793037a0760186574b0282f2f435e7"


class SecretHunt:
    """Listens to every log while it is entered, and remembers where a secret was seen.

    Args:
        secrets: The secrets.

    Attributes:
        found: Where one of them was seen.
    """

    def __init__(self, *, secrets: tuple[str, ...]) -> None:
        self._secrets = tuple(secret for secret in secrets if secret)
        self._handler = _Listener(self)
        self._level = logging.WARNING
        self.found: list[str] = []

    def look_at(self, where: str, text: str) -> None:
        """Look for the secrets in a text."""
        if where not in self.found and any(secret in text for secret in self._secrets):
            self.found.append(where)

    def look_at_error(self, error: BaseException) -> None:
        """Look for the secrets in an error, in all its renderings, and in those that led to it."""
        self.look_at(f"the traceback of {type(error).__name__}", "".join(traceback.format_exception(error)))
        rendered = getattr(error, "to_dict", None)
        if callable(rendered):
            self.look_at(f"{type(error).__name__}.to_dict()", repr(rendered()))
        link: BaseException | None = error
        while link is not None:
            self.look_at(f"{type(link).__name__}'s arguments", f"{link} {link!r} {link.args!r}")
            link = link.__cause__ or link.__context__

    def __enter__(self) -> SecretHunt:
        root = logging.getLogger()
        self._level = root.level
        root.addHandler(self._handler)
        root.setLevel(logging.DEBUG)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        root = logging.getLogger()
        root.removeHandler(self._handler)
        root.setLevel(self._level)


class _Listener(logging.Handler):
    def __init__(self, hunt: SecretHunt) -> None:
        super().__init__(logging.DEBUG)
        self._hunt = hunt

    def emit(self, record: logging.LogRecord) -> None:
        self._hunt.look_at(f"the log '{record.name}'", f"{record.getMessage()} {record.exc_info!r}")

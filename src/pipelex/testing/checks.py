"""The inherited tests as the kit knows them: what each is since when, and what becomes of a failed one.

The kit is versioned with the plugin API. A check that came with a version (``"1.0"``, ``"2.0"``) is enforced from
that version on. A check that was added inside a version (``"1.3"``: in revision 3 of version 1) only warns until the
next version, so that a release which breaks no plugin breaks no author's continuous integration either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, NoReturn, TypeVar

from pipelex.plugins.contract import PLUGIN_API_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

FunctionT = TypeVar("FunctionT", bound="Callable[..., None]")


class NotConformingError(AssertionError):
    """A plugin does not do what the contract asks; the message names what was expected and what came."""


class ConformanceWarning(UserWarning):
    """A check that was added inside the current API version failed; the next version enforces it."""


class Check(NamedTuple):
    """One inherited test.

    Attributes:
        owner: The class of the kit that defines it, as ``module.Class``.
        name: Its name.
        version: The API version that it came with.
        revision: The revision of that version; 0 where it came with the version itself.
        function: The test itself; an author's class must still have this very object.
    """

    owner: str
    name: str
    version: int
    revision: int
    function: Callable[..., None]

    def is_on_probation(self, *, api_version: int = PLUGIN_API_VERSION) -> bool:
        """Return whether the check only warns in an API version."""
        return self.revision > 0 and api_version <= self.version


CHECKS: dict[tuple[str, str], Check] = {}
"""All checks by owner and name: the book that an author's class is held against."""


def check(*, since: str) -> Callable[[FunctionT], FunctionT]:
    """Enter a test method in the book.

    Args:
        since: The API version and revision that it came with (``"1.0"``).
    """
    version, _, revision = since.partition(".")

    def enter(function: FunctionT) -> FunctionT:
        owner = f"{function.__module__}.{function.__qualname__.rpartition('.')[0]}"
        CHECKS[owner, function.__name__] = Check(owner, function.__name__, int(version), int(revision), function)
        return function

    return enter


def fail(message: str) -> NoReturn:
    """End a check because the plugin does not conform.

    Raises:
        NotConformingError: Always.
    """
    raise NotConformingError(message)


def require(condition: object, message: str) -> None:
    """End a check unless a condition holds.

    Raises:
        NotConformingError: It does not hold.
    """
    if not condition:
        fail(message)

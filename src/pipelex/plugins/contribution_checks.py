"""What the registrar asks of a contribution, and what discovery asks of a plugin, before either counts.

A plain function whose parameters bear the contract's names passes by a look at its code object; anything
else is looked at closely, with ``inspect``, which costs more to import than all of boot.
"""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING

from pipelex.plugins.inference_backend_registry import InferenceFamily, MakeWorkerFn
from pipelex.plugins.model_lister_registry import ListModelsFn
from pipelex.plugins.raised import shown
from pipelex.spi.names import IDENTIFIER_RULE, is_identifier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelex.plugins.exceptions import InvalidContributionError


def _keywords_of(shape: type) -> tuple[str, ...]:
    """Return the keywords of a call shape, as its protocol states them."""
    code = vars(shape)["__call__"].__code__
    return tuple(code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount])


MAKE_WORKER_KEYWORDS = _keywords_of(MakeWorkerFn)
LIST_MODELS_KEYWORDS = _keywords_of(ListModelsFn)

_CO_VARARGS_OR_KEYWORDS = 0x04 | 0x08
_CO_COROUTINE = 0x80


def check_identifier(plugin_name: str, what: str, value: object) -> None:
    """Ask for a lowercase identifier, as plugin names, sdks and command names are.

    Raises:
        InvalidContributionError: It is not one.
    """
    if not (isinstance(value, str) and is_identifier(value)):
        raise _invalid(plugin_name, what, IDENTIFIER_RULE, shown(value))


def check_family(plugin_name: str, value: object) -> None:
    """Ask for a member of InferenceFamily; its value alone, as a plain string, is not one.

    Raises:
        InvalidContributionError: It is not one.
    """
    if not isinstance(value, InferenceFamily):
        members = ", ".join(f"InferenceFamily.{family.name}" for family in InferenceFamily)
        raise _invalid(plugin_name, "family", f"one of {members}", shown(value))


def check_make_worker(plugin_name: str, what: str, value: object) -> None:
    """Ask for a callable that can be called as a ``MakeWorkerFn`` is.

    Raises:
        InvalidContributionError: It cannot.
    """
    if _is_plain_match(value, MAKE_WORKER_KEYWORDS, is_async=False):
        return
    _check_callable(plugin_name, what, value, MAKE_WORKER_KEYWORDS)
    if _is_async(value):
        raise _invalid(plugin_name, what, "a plain function that returns a worker", "an async function")


def check_lister(plugin_name: str, what: str, value: object) -> None:
    """Ask for an async callable that can be called as a ``ListModelsFn`` is.

    Raises:
        InvalidContributionError: It cannot, or it is not async.
    """
    if _is_plain_match(value, LIST_MODELS_KEYWORDS, is_async=True):
        return
    _check_callable(plugin_name, what, value, LIST_MODELS_KEYWORDS)
    if not _is_async(value):
        raise _invalid(plugin_name, what, "an async function (async def)", "a function that is not async")


def check_command(plugin_name: str, what: str, help_line: object, run: object) -> None:
    """Ask for a help line of one line and a callable of one argument that is not async.

    Raises:
        InvalidContributionError: One of them is not.
    """
    if not isinstance(help_line, str) or not help_line.strip() or "\n" in help_line:
        raise _invalid(plugin_name, f"help of {what}", "one line of text", shown(help_line))
    if not callable(run):
        raise _invalid(plugin_name, what, "a callable of a CommandCall that returns an exit code", shown(run))
    if isinstance(run, FunctionType):
        code = run.__code__
        if (code.co_argcount, code.co_kwonlyargcount, code.co_flags & _CO_COROUTINE) == (1, 0, 0):
            return
    if _is_async(run):
        raise _invalid(
            plugin_name, what, "a plain function of a CommandCall that returns an exit code", "an async function"
        )
    import inspect

    try:
        inspect.signature(run).bind(None)
    except TypeError as exc:
        raise _invalid(plugin_name, what, "a callable of a CommandCall that returns an exit code", f"{exc}") from None
    except ValueError:  # a builtin without a signature: nothing to hold against it
        return


def _is_plain_match(value: object, keywords: tuple[str, ...], *, is_async: bool) -> bool:
    """Return whether a function takes exactly these names as keywords, by its code object alone."""
    if type(value) is not FunctionType:
        return False
    code = value.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return (
        code.co_posonlyargcount == 0
        and not code.co_flags & _CO_VARARGS_OR_KEYWORDS
        and bool(code.co_flags & _CO_COROUTINE) is is_async
        and sorted(names) == sorted(keywords)
        and not hasattr(value, "__wrapped__")
    )


def _check_callable(plugin_name: str, what: str, value: object, keywords: tuple[str, ...]) -> None:
    if not callable(value):
        raise _invalid(plugin_name, what, f"a callable taking {_as_keywords(keywords)}", shown(value))
    import inspect

    try:
        signature = inspect.signature(value)
    except ValueError:  # a builtin without a signature: nothing to hold against it
        return
    try:
        signature.bind(**dict.fromkeys(keywords))
    except TypeError as exc:
        expected = f"a callable taking {_as_keywords(keywords)}"
        got = f"{getattr(value, '__qualname__', type(value).__qualname__)}{_plain_signature(signature.parameters)}"
        raise _invalid(plugin_name, what, expected, f"{got} ({exc})") from None


def _is_async(value: object) -> bool:
    import inspect

    return inspect.iscoroutinefunction(value) or inspect.iscoroutinefunction(getattr(value, "__call__", None))  # noqa: B004 - the method is what may be async


def _as_keywords(keywords: tuple[str, ...]) -> str:
    return f"the keywords {', '.join(keywords)}"


def _plain_signature(parameters: Mapping[str, object]) -> str:
    return f"({', '.join(parameters)})"


def _invalid(plugin_name: str, what: str, expected: str, got: str) -> InvalidContributionError:
    from pipelex.plugins.exceptions import InvalidContributionError

    return InvalidContributionError(plugin_name=plugin_name, what=what, expected=expected, got=got)

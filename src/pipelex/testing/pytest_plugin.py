"""The kit's pytest plugin: parameters of the checks, the guard over them, probation, and the summary of skips.

It asserts nothing by itself: PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import inspect
import warnings
from typing import TYPE_CHECKING

import pytest

from pipelex.testing.checks import CHECKS, Check, ConformanceWarning, NotConformingError
from pipelex.testing.conformance import HOOKS, Conformance, ContentT, WorkerT
from pipelex.testing.vendor import Fault, Trait

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

_REQUIRED = ("sdk", "model_id")
_NEEDS_TRAIT = {
    "test_a_missing_sdk_names_the_extra": Trait.OPTIONAL_SDK,
    "test_the_client_is_memoized_per_handle": Trait.CLIENT,
    "test_usage_is_reported_on_success": Trait.USAGE,
}
_SKIPPING = {"skip", "skipif", "xfail"}
_MARK = "pipelex.conformance"
_ADVICE = "A check that does not apply is waived with a reason: cannot = {...: 'why'}."


def faults_of_a_class(cls: type[Conformance[WorkerT, ContentT]]) -> Iterator[str]:
    """Yield what is wrong with an author's class: tests overridden or deleted, hooks forgotten, reasons missing."""
    name = cls.__name__
    for check in CHECKS.values():
        if check.owner in _kit_names(cls) and inspect.getattr_static(cls, check.name, None) is not check.function:
            yield f"{name}: the inherited {check.name} is overridden or deleted. {_ADVICE}"
    for base in _kit_classes(cls):
        for inner in vars(base):
            if inner in HOOKS or inner.startswith(("__", "_abc_", "test_")):
                continue
            if inspect.getattr_static(cls, inner) is not vars(base)[inner] and not _is_of_the_kit(cls, inner):
                yield f"{name}: '{inner}' is the kit's own. What may be defined: {', '.join(sorted(HOOKS))}."
    if inspect.isabstract(cls):
        yield f"{name} does not define {', '.join(sorted(cls.__abstractmethods__))}."
        return
    yield from (f"{name} does not set '{hook}'." for hook in _REQUIRED if not getattr(cls, hook, None))
    yield from _faults_of_waivers(cls)


def _faults_of_waivers(cls: type[Conformance[WorkerT, ContentT]]) -> Iterator[str]:
    for waived, reason in cls.cannot.items():
        if not str(reason or "").strip():
            yield f"{cls.__name__}: cannot[{waived!r}] gives no reason."
    unknown = sorted(cls.capabilities - set(cls.family_capabilities))
    if unknown:
        yield f"{cls.__name__} declares {', '.join(unknown)}, which its family does not have."
    if Trait.OPTIONAL_SDK not in cls.cannot and not (cls.sdk_imports and cls.extra):
        yield f"{cls.__name__} sets no 'sdk_imports' and 'extra'. Has it no optional SDK? {_ADVICE}"


def _kit_classes(cls: type) -> list[type]:
    return [base for base in cls.__mro__ if base.__module__.startswith("pipelex.testing.")]


def _kit_names(cls: type) -> set[str]:
    return {f"{base.__module__}.{base.__qualname__}" for base in _kit_classes(cls)}


def _is_of_the_kit(cls: type, name: str) -> bool:
    """Return whether the class that defines an attribute is one of the kit's: a family defines over the base."""
    definer = next(base for base in cls.__mro__ if name in vars(base))
    return definer.__module__.startswith("pipelex.testing.")


def _is_authors(value: object) -> bool:
    return (
        isinstance(value, type)
        and issubclass(value, Conformance)
        and not value.__module__.startswith("pipelex.testing.")
    )


def check_of(item: pytest.Item) -> Check | None:
    """Return the check that an item runs, if it is one of the kit's."""
    if not isinstance(item, pytest.Function) or not _is_authors(item.cls):
        return None
    names = [f"{base.__module__}.{base.__qualname__}" for base in _kit_classes(item.cls)]
    return next((CHECKS[owner, item.originalname] for owner in names if (owner, item.originalname) in CHECKS), None)


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Module | pytest.Class, name: str, obj: object) -> None:
    """Hold an author's class against the book before its tests are collected.

    Raises:
        CollectError: Something is wrong with it; the whole run fails.
    """
    if not _is_authors(obj) or not isinstance(obj, type):
        return
    is_here = obj.__module__ == getattr(collector.obj, "__name__", None)
    faults = list(faults_of_a_class(obj))
    if not collector.classnamefilter(name):
        if is_here and not faults:
            msg = f"{name} would not be run: the name of a test class begins with Test."
            raise collector.CollectError(msg)
        return
    if faults:
        raise collector.CollectError("\n".join(faults))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each check its cases: the capabilities, the faults, the ways to end half-way."""
    cls = metafunc.cls
    if cls is None or not _is_authors(cls):
        return
    called = set(cls.called_capabilities)
    declared: list[object] = [
        capability for capability in cls.family_capabilities if capability in cls.capabilities - called
    ]
    cases: dict[str, list[object]] = {
        "declared": declared,
        "undeclared": [one for one in cls.family_capabilities if one not in cls.unrefused_capabilities],
        "fault": list(Fault),
        "half_answer": list(getattr(cls, "half_answers", ())),
        "is_streamed": [False, True],
    }
    for argument, values in cases.items():
        if argument in metafunc.fixturenames:
            metafunc.parametrize(argument, [_case(value, cls, argument) for value in values] or [_no_case()])


def _case(value: object, cls: type[Conformance[WorkerT, ContentT]], argument: str) -> object:
    reason = cls.cannot.get(value) if argument != "undeclared" else None  # type: ignore[call-overload]  # one of them
    marks = [pytest.mark.skip(reason=str(reason))] if reason else []
    return pytest.param(value, marks=marks, id=str(value))


def _no_case() -> object:
    return pytest.param(None, marks=[pytest.mark.skip(reason="the model declares no capability")], id="none")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the kit's items, waive what their class waives, and refuse a skip that gives no reason.

    Raises:
        UsageError: A skip or an expected failure gives no reason.
    """
    silent = []
    for item in items:
        check = check_of(item)
        if check is None or not isinstance(item, pytest.Function) or item.cls is None:
            continue
        item.user_properties.append((_MARK, item.cls.__name__))
        trait = _NEEDS_TRAIT.get(check.name)
        if trait is not None and trait in item.cls.cannot:
            item.add_marker(pytest.mark.skip(reason=item.cls.cannot[trait]))
        marks = [mark.name for mark in item.iter_markers() if mark.name in _SKIPPING and not _reason_of(mark)]
        silent += [f"{item.nodeid}: '{name}' gives no reason. {_ADVICE}" for name in marks]
    if silent:
        raise pytest.UsageError("\n".join(silent))


def _reason_of(mark: pytest.Mark) -> str:
    positional = mark.args[0] if mark.name == "skip" and mark.args else ""
    return str(mark.kwargs.get("reason", positional)).strip()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Show a failed check by its message alone; let one on probation warn in place of failing."""
    check = check_of(pyfuncitem)
    if check is None:
        return (yield)
    try:
        return (yield)
    except NotConformingError as exc:
        error: Exception = exc
    except Exception as exc:
        if not check.is_on_probation():
            raise
        error = exc
    if check.is_on_probation():
        _warn(check, error)
        return True
    pytest.fail(str(error), pytrace=False)


def _warn(check: Check, error: Exception) -> None:
    """Warn, whatever the filters are: a release must not break a run that turns warnings into errors."""
    message = f"{check.name} fails and will be enforced from API version {check.version + 1} on: {error}"
    with warnings.catch_warnings():
        warnings.simplefilter("always", ConformanceWarning)
        warnings.warn(message, ConformanceWarning, stacklevel=1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a check that was skipped from inside without a reason."""
    report = yield
    if report.skipped and check_of(item) is not None and not _skip_reason(report).strip():
        report.outcome = "failed"
        report.longrepr = f"The check was skipped without a reason. {_ADVICE}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print every check that was not run, below its reason."""
    reports = [*terminalreporter.getreports("skipped"), *terminalreporter.getreports("xfailed")]
    not_run: dict[str, list[str]] = {}
    for report in reports:
        owner = dict(report.user_properties).get(_MARK)
        if owner is not None:
            name = report.nodeid.rpartition("::")[2].removeprefix("test_")
            not_run.setdefault(f"{owner}: {_skip_reason(report)}", []).append(name)
    if not_run:
        terminalreporter.section("conformance: checks not run")
    for reason, names in not_run.items():
        terminalreporter.line(reason)
        for name in names:
            terminalreporter.line(f"    {name}")


def _skip_reason(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped").removeprefix(":").strip()
    return str(getattr(report, "wasxfail", ""))

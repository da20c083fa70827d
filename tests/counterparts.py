"""What the drivers are tested against: ``tests/counterparts.toml``, and that the tests do what it says.

A module that calls a driver on a counterpart says so by marks, which :mod:`tests.architecture.test_counterparts` holds
against the rows::

    pytestmark = [pytest.mark.counterpart("aimock", "llm:openai", "llm:mistral")]

That it really calls them is seen when it runs: each backend that it names has to answer at least one call of its tests
that use the counterpart's fixture, and none may that it does not name.
"""

from __future__ import annotations

import tomllib
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipelex.cogt.inference.inference_worker_abstract import CallReport

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

FILE = Path(__file__).with_suffix(".toml")
ROWS: dict[str, Any] = tomllib.loads(FILE.read_text(encoding="utf-8"))
COUNTERPARTS: dict[str, dict[str, Any]] = ROWS["counterparts"]
SERVERS = frozenset(name for name, row in COUNTERPARTS.items() if row["kind"] in {"server", "mock"})
BACKENDS = frozenset(backend for row in ROWS["exercised"] for backend in row["backends"])

Pair = tuple[str, str]
"""A counterpart and a backend as ``family:sdk``. The counterpart is ``""`` where no server of others is at work."""

_answered: defaultdict[str, set[Pair]] = defaultdict(set)


def pin(name: str) -> str:
    """Return the pinned version of a counterpart, as its package registry spells it."""
    text = COUNTERPARTS[name]["pin"]
    assert isinstance(text, str)
    return text


def server_of(fixtures: Iterable[str]) -> str:
    """Return the server that a test calls; llama.cpp's may stand behind another one."""
    used = sorted(SERVERS.intersection(fixtures), key=lambda name: name == "llama_server")
    return used[0] if used else ""


def disagreements(marked: set[Pair], answered: set[Pair], *, is_whole: bool) -> list[str]:
    """Return where a module's marks and its calls disagree.

    Args:
        marked: What its marks say.
        answered: What answered.
        is_whole: Whether all its tests ran, so that a mark that nothing answers is wrong.
    """
    known = {(server if server in SERVERS else "", backend) for server, backend in marked}
    never = sorted(known - answered) if is_whole else []
    return [
        *(f"it marks {_spelt(pair)}, and no call was answered" for pair in never),
        *(f"{_spelt(pair)} answered: mark it, and name it in {FILE.name}" for pair in sorted(answered - known)),
    ]


def _spelt(pair: Pair) -> str:
    return f"{pair[1]} on {pair[0] or 'a replay or a library'}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Take note of each driver that answers a test."""
    server = server_of(getattr(item, "fixturenames", ()))
    report = CallReport._report

    def noting(call: CallReport, error: BaseException | None) -> None:
        model = call._worker.inference_model
        backend = f"{model.family.value}:{model.sdk}"
        if error is None and backend in BACKENDS:
            _answered[_module(item)].add((server, backend))
        report(call, error)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CallReport, "_report", noting)
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
    """Hold a module's marks against its calls, behind its last test."""
    done = yield
    if nextitem is None or _module(nextitem) != _module(item):
        _hold(item)
    return done


def _hold(item: pytest.Item) -> None:
    items = [other for other in item.session.items if _module(other) == _module(item)]
    marks = {mark.args for other in items for mark in other.iter_markers("counterpart")}
    marked = {(server, backend) for server, *backends in marks for backend in backends}
    answered = _answered[_module(item)]
    if not marked:
        answered = {pair for pair in answered if pair[0]}  # what is no server of others may go unnamed
    options = item.config.option
    is_whole = not (options.keyword or any("::" in str(argument) for argument in item.config.args))
    found = disagreements(marked, answered, is_whole=is_whole)
    if found:
        pytest.fail(f"{_module(item)}: {'; '.join(found)}", pytrace=False)


def _module(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]

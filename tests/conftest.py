"""What holds for every test."""

from __future__ import annotations

import gc
import signal
from typing import TYPE_CHECKING

import pytest

from tests.counterparts import pytest_runtest_call, pytest_runtest_teardown

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["pytest_collection_finish", "pytest_runtest_call", "pytest_runtest_teardown"]

pytest_plugins = ["pytester"]


def pytest_collection_finish() -> None:
    """Keep what was imported out of each garbage collection, and collect seldom: SDKs hold millions of objects."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 30, 30)


@pytest.fixture(scope="session", autouse=True)
def _no_signal_is_ignored() -> None:
    """Let Ctrl-C and a hang-up reach what tests start: a shell's job in the background, and ``nohup``, ignore them."""
    for name in ("SIGINT", "SIGHUP"):  # the second is POSIX only
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL)


@pytest.fixture(autouse=True)
def _no_secret_of_another_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the keys that the test before has read: they would be masked in the messages of this one."""
    monkeypatch.setattr("pipelex.redaction._secrets", set())


@pytest.fixture(scope="session", autouse=True)
def _no_configuration_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the developer's own ``~/.pipelex`` out of the tests and of the processes that they start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIPELEX_HOME", str(tmp_path_factory.mktemp("no-home")))
        yield

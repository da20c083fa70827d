from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.bulk.counting import NOT_COUNTED

if TYPE_CHECKING:
    from tests.bulk.conftest import Processes
    from tests.bulk.counting import CountingPlugin

pytestmark = pytest.mark.skipif(os.name != "posix", reason="memory is read by getrusage")


def most_memory_mb(processes: Processes, plugin: CountingPlugin, ledger: str, rows: int) -> float:
    plugin.calls = NOT_COUNTED
    done = processes.run("scale", ledger, str(rows), timeout_s=1200)
    assert 0 == done.returncode, done.stderr
    answered, _, memory = done.stdout.split()
    assert rows == int(answered)
    return float(memory)


def hold_memory(processes: Processes, plugin: CountingPlugin, rows: int) -> None:
    few = most_memory_mb(processes, plugin, "few.db", 1_000)
    assert most_memory_mb(processes, plugin, "many.db", rows) < few + 12
    assert most_memory_mb(processes, plugin, "many.db", rows) < few + 12  # all of them come from the ledger


def test_memory_does_not_grow_with_the_rows(processes: Processes, plugin: CountingPlugin) -> None:
    hold_memory(processes, plugin, 20_000)


@pytest.mark.heavy
def test_memory_does_not_grow_with_a_million_rows(processes: Processes, plugin: CountingPlugin) -> None:
    hold_memory(processes, plugin, 1_000_000)

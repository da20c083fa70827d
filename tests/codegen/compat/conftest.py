"""The verdicts on all rows of the table, asked of the type checker in as many runs as one row takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from codegen.compat.compare import compare_all
from tests.codegen.compat.table import ROWS, SAMPLE

if TYPE_CHECKING:
    from pathlib import Path

    from codegen.compat.model import Verdict
    from tests.codegen.compat.rows import Row


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which mypy keeps what it knows for as long as the tests run."""
    return tmp_path_factory.mktemp("compat-cache")


@pytest.fixture(scope="session")
def verdicts(cache: Path) -> dict[str, Verdict]:
    """The verdict on each row of the sample, by the row's id."""
    return _judged(SAMPLE, cache)


@pytest.fixture(scope="session")
def all_verdicts(cache: Path) -> dict[str, Verdict]:
    """The verdict on each row of the table, by the row's id: for the heavy tests."""
    return _judged(ROWS, cache)


def _judged(rows: list[Row], cache: Path) -> dict[str, Verdict]:
    found = compare_all([row.trees() for row in rows], cache=cache)
    return {row.id: verdict for row, verdict in zip(rows, found, strict=True)}

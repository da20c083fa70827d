"""Each mistake in ``tests/counterparts.toml`` is told with its line, its key and what was expected."""

from __future__ import annotations

import pytest

from tests.codegen.conftest import SmallProject

FILE = "tests/counterparts.toml"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('kind = "mock"', 'kind = "fake"', "3: counterparts.mock.kind: 'fake' does not do"),
        ('pin = "acme-mock==1.0"\n', "", "1: counterparts.mock.pin: missing; a mock needs it"),
        ('against = "mock"', 'against = "nobody"', "17: exercised[0].against: unknown counterpart 'nobody'"),
        ('against = "plain"', 'against = "mock"', "12: counterparts.plain: no row of [[exercised]] names it"),
        ('what = "text"', 'wot = "text"', "20: exercised[0].wot: no such key; see the head of the file"),
        ('title = "a mock of Acme"', "title = ", "2: Invalid value"),
        ("tests/acme/wire.py", "tests/acme/gone.py", "gone.py: no such file"),
    ],
)
def test_a_mistake_is_told(
    small: SmallProject, capsys: pytest.CaptureFixture[str], old: str, new: str, said: str
) -> None:
    small.edit(FILE, old, new)
    assert 2 == small.run("--check")
    assert said in capsys.readouterr().err


def test_a_backend_that_was_called_on_nothing_is_shown_as_such(small: SmallProject) -> None:
    small.edit(FILE, ', "llm:acme_batch"', "")
    assert "| LLM | `acme_batch` | nothing | | | |" in small.render()["docs/providers.md"]

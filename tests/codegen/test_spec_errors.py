"""Every mistake in ``spi.toml`` is told with its line, its key, what is wrong and what was expected."""

from __future__ import annotations

import pytest

from tests.codegen.conftest import SmallProject

CASES = {
    "not TOML": ("revision = 1", "revision = ", "revision = ", "expected TOML"),
    "unknown key": ("revision = 1", "revison = 1", "revison", "revison: no such key"),
    "missing key": ('title = "models of Acme"\n', "", "[[builtin]]", "builtin[0].title: missing; expected this key"),
    "wrong type": ("revision = 1", 'revision = "1"', "revision", "revision: '1' does not do: input should be a valid"),
    "bad sdk": ('sdk = "plain"', 'sdk = "Plain!"', '"Plain!"', "builtin[1].workers[0].sdk: 'Plain!' does not do"),
    "bad symbol": ('"pipelex.cogt.llm.job:pick"', '"pick"', '"pick"', "symbols.pick: 'pick' does not do"),
    "bad since": ('since = "3.1"', 'since = "3"', 'since = "3"', "since: '3' does not do"),
    "since to come": ('since = "3.1"', 'since = "3.2"', '"3.2"', "'3.2' is yet to come; expected at most 3.1"),
    "duplicate key": (
        'sdk = "acme.eu", worker',
        'sdk = "acme", worker',
        'sdk = "acme", worker = "acme.llm:AcmeLLMWorker" },\n    { family = "LLM", sdk = "acme_batch"',
        "builtin[0].workers[1].sdk: duplicate (family, sdk) (LLM, acme), held by builtin[0].workers[0].sdk",
    ),
    "two spellings of one sdk": ('sdk = "plain"', 'sdk = "acme-batch"', '"acme-batch"', "(LLM, acme-batch)"),
    "duplicate plugin": ('name = "plain"', 'name = "acme_ai"', '"acme_ai"', "builtin[1].name: duplicate plugin name"),
    "foreign lister": ('"acme.eu"] }', '"plain"] }', "lister =", "builtin[0].lister.sdks[1]: 'plain' is none of this"),
    "unknown family": ('family = "LLM", sdk = "plain"', 'family = "VIDEO", sdk = "plain"', "VIDEO", "unknown family"),
    "worker base of another family": (
        'worker:ImgGenWorkerAbstract"\n',
        'worker:LLMWorkerAbstract"  # another\n',
        "# another",
        "family[1].worker: duplicate worker base",
    ),
    "kit of another family": (
        'kit:ImgGenConformance"',
        'kit:LLMConformance"  # it',
        "# it",
        "family[1].kit: duplicate kit",
    ),
    "first call of another command": (
        "pipelex img-gen fox",
        "pipelex image fox",
        "pipelex image",
        "expected it to begin with 'pipelex img-gen'",
    ),
    "unpublished base": ('worker:ImgGenWorkerAbstract"\n', 'worker:Other"\n', "Other", "is not published"),
    "empty extra": (
        'title = "a worker that needs nothing"',
        'title = "x"\nextra = "check"',
        'extra = "check"',
        "brings",
    ),
    "unknown extra": (
        'extra = "acme"',
        'extra = "acmee"',
        "acmee",
        "no extra 'acmee' in pyproject.toml; expected one of",
    ),
    "other requirement": ('"acme>=2,<3" }', '"acme>=2" }', '"acme>=2"', "'acme>=2' is not in the extra 'acme'"),
    "no provider": ("acme.login:main", "acme.logn:main", "acme.logn", "no module 'pipelex.providers.acme.logn'"),
    "no worker": ("plain.llm:PlainWorker", "plain.llm:PlanWorker", "PlanWorker", "defines no 'PlanWorker'"),
    "no factory": ("acme.client:make_batch_client", "acme.client:mk", "client:mk", "builtin[0].workers[2].client:"),
    "no such symbol": (
        "llm.job:pick",
        "llm.job:choose",
        "job:choose",
        "defines no 'choose'; expected a published name",
    ),
    "no such module": ("llm.job:pick", "llm.jobs:pick", "jobs:pick", "no module 'pipelex.cogt.llm.jobs' under src/"),
    "surplus extra": ('check = "the', 'chek = "the', "chek", "extras.chek: no such extra in pyproject.toml"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_told_with_its_line(small: SmallProject, capsys: pytest.CaptureFixture[str], case: str) -> None:
    """The error names the line and the key; nothing is written."""
    old, new, mark, told = CASES[case]
    small.edit("spi.toml", old, new)
    before = small.snapshot()
    assert small.run() == 2
    errors = capsys.readouterr().err.splitlines()
    line = small.line_of("spi.toml", mark.splitlines()[0])
    found = [error for error in errors if told in error]
    assert found, errors
    assert found[0].startswith(f"spi.toml:{_expected_line(case, small, line)}: "), found[0]
    assert before == small.snapshot()


def _expected_line(case: str, small: SmallProject, line: int) -> int:
    """The second of two equal rows is at fault, not the first."""
    return line + 1 if case == "duplicate key" else line


def test_an_extra_that_no_row_explains_is_told_with_the_line_of_the_metadata(
    small: SmallProject, capsys: pytest.CaptureFixture[str]
) -> None:
    small.edit("pyproject.toml", 'check = ["mypy"]', 'check = ["mypy"]\nspare = ["x"]')
    assert small.run("--check") == 2
    line = small.line_of("pyproject.toml", "spare")
    expected = f"pyproject.toml:{line}: optional-dependencies.spare: an extra that spi.toml does not explain"
    assert expected in capsys.readouterr().err


def test_a_requirement_that_no_row_explains_is_told_with_the_line_of_the_metadata(
    small: SmallProject, capsys: pytest.CaptureFixture[str]
) -> None:
    small.edit("pyproject.toml", '"acme-auth>=1"]', '"acme-auth>=1",\n  "acme-more"]')
    assert small.run("--check") == 2
    line = small.line_of("pyproject.toml", "acme-more")
    assert f"pyproject.toml:{line}: optional-dependencies.acme: no row" in capsys.readouterr().err


def test_all_mistakes_of_a_step_are_told_at_once(small: SmallProject, capsys: pytest.CaptureFixture[str]) -> None:
    small.edit("spi.toml", 'family = "LLM", sdk = "plain"', 'family = "VIDEO", sdk = "plain"')
    small.edit("spi.toml", 'since = "3.1"', 'since = "9.9"')
    assert small.run() == 2
    assert "2 problems; nothing was written." in capsys.readouterr().err

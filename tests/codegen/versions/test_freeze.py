"""Freezing: what is frozen, that it stays as it was, and that an edit of it turns the check red."""

from __future__ import annotations

import json

import pytest

from codegen.__main__ import main
from codegen.spec import parse_spec
from tests.codegen.conftest import SmallProject

pytestmark = pytest.mark.thorough

FROZEN = "src/pipelex/spi/frozen/v1"
STUB = f"{FROZEN}/pipelex/cogt/llm/job.pyi"


@pytest.fixture
def first(small: SmallProject) -> SmallProject:
    """The small project as version 1, generated and not yet frozen."""
    small.edit("spi.toml", "api_version = 3", "api_version = 1")
    small.edit("spi.toml", "revision = 1", "revision = 0")
    text = (small.root / "spi.toml").read_text(encoding="utf-8")
    for since in ("2.0", "3.1"):
        text = text.replace(f'since = "{since}"', 'since = "1.0"')
    (small.root / "spi.toml").write_text(text, encoding="utf-8")
    (small.root / "CHANGELOG.md").write_text("# Changelog\n\n## [Unreleased]\n", encoding="utf-8")
    assert small.run() == 0
    return small


@pytest.fixture
def frozen(first: SmallProject) -> SmallProject:
    """The same, frozen."""
    assert fold(first, "freeze") == 0
    return first


def fold(project: SmallProject, command: str, *arguments: str) -> int:
    """Run ``freeze`` or ``bump``."""
    return main([command, *arguments, "--root", str(project.root)])


def test_a_frozen_version_is_its_stubs_its_lock_and_a_digest(frozen: SmallProject) -> None:
    assert (frozen.root / STUB).read_bytes() == (
        frozen.root / "src/pipelex/spi/v1/pipelex/cogt/llm/job.pyi"
    ).read_bytes()
    [row] = parse_spec((frozen.root / "spi.toml").read_text(encoding="utf-8")).spec.version
    assert (1, 0, False) == (row.number, row.revision, row.released)
    assert f'"1.0" = "{row.digest}"' in (frozen.root / "src/pipelex/spi/spi.lock").read_text(encoding="utf-8")
    assert (frozen.root / "docs/api-versions/v1.md").is_file()
    assert (frozen.root / "src/pipelex/spi/changes.toml").is_file()
    assert frozen.run("--check") == 0


def test_documentation_of_an_unreleased_version_that_is_frozen_no_more_turns_the_check_red(
    frozen: SmallProject, capsys: pytest.CaptureFixture[str]
) -> None:
    frozen.edit("src/pipelex/cogt/llm/job.py", '"""Pick an item.', '"""Pick one item.')
    assert frozen.run() == 0
    assert frozen.run("--check") == 1
    told = capsys.readouterr().err
    assert f"{STUB} is frozen with documentation that is not today's" in told
    assert "Fix: python -m codegen freeze" in told
    assert fold(frozen, "freeze") == 0
    assert frozen.run("--check") == 0


@pytest.mark.parametrize("edit", ["a stub", "the lock", "a new file", "a removed file"])
def test_an_edited_frozen_version_turns_the_check_red(
    frozen: SmallProject, capsys: pytest.CaptureFixture[str], edit: str
) -> None:
    """And generating does not fix it: nothing is written."""
    match edit:
        case "a stub":
            frozen.edit(STUB, '"""One call', '"""Any call')
        case "the lock":
            frozen.edit(f"{FROZEN}/spi.lock", "revision = 0", "revision = 1")
        case "a new file":
            (frozen.root / FROZEN / "pipelex/new.pyi").write_text("x: int\n", encoding="utf-8")
        case _:
            (frozen.root / STUB).unlink()
    before = frozen.snapshot()
    assert (1, 1, 1) == (frozen.run("--check"), frozen.run("--check", "--full"), frozen.run())
    assert before == frozen.snapshot()
    assert f"{FROZEN}: version 1.0: is frozen and is not what was frozen" in capsys.readouterr().err


def test_an_unreleased_version_is_frozen_anew_and_a_released_one_never(
    frozen: SmallProject, capsys: pytest.CaptureFixture[str]
) -> None:
    frozen.edit("src/pipelex/cogt/llm/job.py", "limit: int = -1", "limit: int = 7")
    assert (0, 0) == (frozen.run(), fold(frozen, "freeze"))
    assert "limit: int = 7" in (frozen.root / STUB).read_text(encoding="utf-8")
    assert frozen.run("--check") == 0
    frozen.edit("spi.toml", "released = false", "released = true")
    assert frozen.run() == 0
    before = frozen.snapshot()
    assert fold(frozen, "freeze") == 2
    assert before == frozen.snapshot()
    assert "version 1.0 is released and stays as it is" in capsys.readouterr().err


def test_a_dry_run_writes_nothing(first: SmallProject, capsys: pytest.CaptureFixture[str]) -> None:
    before = first.snapshot()
    capsys.readouterr()
    assert fold(first, "freeze", "--dry-run", "--json") == 0
    assert before == first.snapshot()
    report = json.loads(capsys.readouterr().out)
    assert {"path": STUB, "action": "wrote"} in report["files"]


def test_the_first_frozen_version_is_the_first(small: SmallProject, capsys: pytest.CaptureFixture[str]) -> None:
    assert fold(small, "freeze") == 2
    assert "the first frozen version is 1.0; spi.toml states 3.1" in capsys.readouterr().err


ENTRY = """
[[next.change]]
kind = "parameter-renamed"
symbol = "pipelex.cogt.llm.job:pick"
from = "key"
to = "wanted"
why = "it says which"
"""


def test_a_break_is_refused_until_it_is_declared(frozen: SmallProject, capsys: pytest.CaptureFixture[str]) -> None:
    """The refusal gives the entry to write; the bump moves it into the history and freezes the new version."""
    frozen.edit("src/pipelex/cogt/llm/job.py", "key: Callable[[ItemT], bool]", "wanted: Callable[[ItemT], bool]")
    assert frozen.run() == 0
    before = frozen.snapshot()
    assert fold(frozen, "bump") == 1
    assert before == frozen.snapshot()
    said = capsys.readouterr().err
    assert 'kind = "parameter-renamed"\n    symbol = "pipelex.cogt.llm.job:pick"\n    from = "key"' in said
    with (frozen.root / "spi.toml").open("a", encoding="utf-8") as file:
        file.write(ENTRY)
    assert (0, 0) == (fold(frozen, "bump", "--dry-run"), fold(frozen, "bump"))
    assert "Gone from 1.0 to 2.0 (breaking)." in capsys.readouterr().out
    assert frozen.run("--check") == 0
    after = frozen.snapshot()
    kept = {path.removeprefix(FROZEN): text for path, text in before.items() if path.startswith(FROZEN)}
    assert kept == {
        path.removeprefix("src/pipelex/spi/v1"): after[path] for path in after if path.startswith("src/pipelex/spi/v1/")
    }
    assert not (frozen.root / FROZEN).exists()
    assert b"PLUGIN_API_VERSION: Final = 2  # the stamp keeps this comment" in after["src/pipelex/plugins/contract.py"]
    assert b"# A small contract with one of everything.\n" in after["spi.toml"]
    assert b"[[version.change]]" in after["spi.toml"]
    assert b"[[next.change]]" not in after["spi.toml"]
    assert b"### Plugin API 2.0" in after["CHANGELOG.md"]
    assert b"Parameter `key` of `pick` is now `wanted`" in after["docs/api-versions/v2.md"]
    assert b"parameter `key` of `pick` is now `wanted`" in after["src/pipelex/spi/changes.toml"]
    assert b"`key` of `pick`" in after["docs/spi-changes.md"]


def test_a_bump_names_the_plugins_that_it_breaks(frozen: SmallProject, capsys: pytest.CaptureFixture[str]) -> None:
    """And ``diff``, as long as the version is not released, calls none refused that a new freezing leaves as it is."""
    frozen.edit("src/pipelex/cogt/llm/job.py", "key: Callable[[ItemT], bool]", "wanted: Callable[[ItemT], bool]")
    assert frozen.run() == 0
    with (frozen.root / "spi.toml").open("a", encoding="utf-8") as file:
        file.write(ENTRY)
    plugins = {"broken": "pick([1], key=bool)", "fits": "pick([1], bool)"}
    for name, use in plugins.items():
        text = f"""\
from pipelex.cogt.llm.job import pick

class Plugin:
    name = "{name}"
    targets_api = 1

    def register(self, registrar: object) -> None:
        {use}
"""
        (frozen.root / f"{name}.py").write_text(text, encoding="utf-8")
    paths = [str(frozen.root / f"{name}.py") for name in plugins]
    capsys.readouterr()
    assert main(["diff", "--root", str(frozen.root), "--plugins", *paths]) == 1
    assert "1 broken, 0 refused" in capsys.readouterr().out
    assert fold(frozen, "bump", "--plugins", *paths) == 0
    said = capsys.readouterr().out
    assert "Gone from 1.0 to 2.0 (breaking).\nPlugins: 1 broken, 1 refused" in said
    assert 'broken.py:8: Unexpected keyword argument "key"' in said


def test_an_entry_that_matches_no_change_is_refused(frozen: SmallProject, capsys: pytest.CaptureFixture[str]) -> None:
    with (frozen.root / "spi.toml").open("a", encoding="utf-8") as file:
        file.write(ENTRY)
    line = frozen.line_of("spi.toml", "[[next.change]]")
    assert fold(frozen, "bump") == 1
    assert f"spi.toml:{line}: next.change[0]: 'parameter-renamed' of 'pipelex.cogt.llm.job:pick' matches no change" in (
        capsys.readouterr().err
    )


def test_code_of_an_entry_that_does_not_fit_the_new_contract_is_refused(
    frozen: SmallProject, capsys: pytest.CaptureFixture[str]
) -> None:
    frozen.edit(
        "src/pipelex/cogt/llm/job.py", "key: Callable[[ItemT], bool]", "key: Callable[[ItemT], bool], seed: int"
    )
    assert frozen.run() == 0
    spec = (frozen.root / "spi.toml").read_text(encoding="utf-8")
    added = ENTRY.replace("renamed", "added").replace('from = "key"\n', "").replace('"wanted"', '"seed: int"')
    (frozen.root / "spi.toml").write_text(f"{spec}{added}migration = 'seed=\"none\"'\n", encoding="utf-8")
    assert fold(frozen, "bump", "--dry-run") == 1
    said = capsys.readouterr().err
    assert "migration: does not fit the new contract: " in said
    assert 'expected "int"' in said
    (frozen.root / "spi.toml").write_text(f"{spec}{added}migration = 'seed=0'\n", encoding="utf-8")
    assert fold(frozen, "bump", "--dry-run") == 0


def test_an_addition_raises_the_revision_alone(frozen: SmallProject) -> None:
    frozen.edit("src/pipelex/cogt/llm/job.py", '["Job", "pick"]', '["Hidden", "Job", "pick"]')
    frozen.edit(
        "spi.toml",
        '"pipelex.exceptions:PipelexError"',
        '"pipelex.cogt.llm.job:Hidden" = { since = "next", role = "no longer" }\n"pipelex.exceptions:PipelexError"',
    )
    assert (0, 0) == (frozen.run(), fold(frozen, "bump"))
    spec = parse_spec((frozen.root / "spi.toml").read_text(encoding="utf-8")).spec
    assert (1, 1) == (spec.api_version, spec.revision)
    assert "1.1" == spec.symbols["pipelex.cogt.llm.job:Hidden"].since
    assert [(1, 0), (1, 1)] == [(row.number, row.revision) for row in spec.version]
    assert frozen.run("--check") == 0
    assert "class Hidden" in (frozen.root / STUB).read_text(encoding="utf-8")


def test_nothing_changed_is_nothing_to_do(frozen: SmallProject, capsys: pytest.CaptureFixture[str]) -> None:
    before = frozen.snapshot()
    assert fold(frozen, "bump") == 0
    assert "Nothing to do" in capsys.readouterr().out
    before.pop(".codegen-cache/last-good-run", None)
    assert before == {path: text for path, text in frozen.snapshot().items() if path != ".codegen-cache/last-good-run"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            'kind = "parameter-renamed"',
            'kind = "parameter-renamd"',
            "unknown kind 'parameter-renamd'; expected parameter-renamed",
        ),
        ('to = "wanted"\n', "", "a change of kind 'parameter-renamed' needs 'to'"),
        ('kind = "parameter-renamed"', 'kind = "method-removed"', "needs 'migration' (code) or 'todo'"),
        (
            'to = "wanted"\n',
            'to = "wanted"\nmigration = "x"\ntodo = "y"\n',
            "has a migration too; expected one of the two",
        ),
        ('why = "it says which"\n', "", "missing; expected this key"),
    ],
)
def test_a_wrong_entry_is_named_with_its_line(
    frozen: SmallProject, capsys: pytest.CaptureFixture[str], old: str, new: str, said: str
) -> None:
    assert old in ENTRY
    with (frozen.root / "spi.toml").open("a", encoding="utf-8") as file:
        file.write(ENTRY.replace(old, new))
    line = frozen.line_of("spi.toml", "[[next.change]]")
    assert frozen.run() == 2
    [problem] = [item for item in capsys.readouterr().err.splitlines() if said in item]
    assert line <= int(problem.split(":")[1]) <= line + 8


def test_a_version_that_is_raised_by_hand_is_an_error(frozen: SmallProject, capsys: pytest.CaptureFixture[str]) -> None:
    frozen.edit("spi.toml", "api_version = 1", "api_version = 2")
    assert frozen.run() == 2
    assert "2.0 is not the last frozen version, 1.0" in capsys.readouterr().err


def test_an_undeclared_break_turns_the_gate_of_the_tests_red(frozen: SmallProject) -> None:
    """What ``make test`` runs: green as frozen, red for a break, green again when it is declared."""
    gate = ["diff", "--accept-declared", "--no-witness", "--root", str(frozen.root)]
    assert main(gate) == 0
    frozen.edit("src/pipelex/cogt/llm/job.py", "key: Callable[[ItemT], bool]", "wanted: Callable[[ItemT], bool]")
    assert frozen.run() == 0
    assert main(gate) == 1
    with (frozen.root / "spi.toml").open("a", encoding="utf-8") as file:
        file.write(ENTRY)
    assert main(gate) == 0

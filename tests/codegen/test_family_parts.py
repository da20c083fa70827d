"""A ``[[family]]`` row is generated from; what has to be written by hand is named, part by part, until it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from codegen import cli
from codegen.family_parts import templates_of
from codegen.spec import parse_spec
from tests.codegen.conftest import ROOT, SmallProject

if TYPE_CHECKING:
    from collections.abc import Sequence

ROW = """\
[[family]]
name = "EMBED"
value = "embed"
about = "Texts in, vectors out."
words = "embeddings"
worker = "pipelex.cogt.embed.worker:EmbedWorkerAbstract"
job = "pipelex.cogt.embed.job:EmbedJob"
kit = "pipelex.testing.embed:EmbedConformance"
command = "embed"
help = "Turn texts into vectors."
first_call = 'pipelex embed "Hello."'

[symbols]
"""
PUBLISHED = """\
"pipelex.cogt.embed.worker:EmbedWorkerAbstract" = { since = "next", role = "the base" }
"pipelex.cogt.embed.job:EmbedJob" = { since = "next", role = "one call" }
"""
MODULES = {
    "src/pipelex/cogt/embed/job.py": '__all__ = ["EmbedJob"]\n\n\nclass EmbedJob:\n    """One call."""\n',
    "src/pipelex/cogt/embed/worker.py": (
        'from pipelex.cogt.llm.worker import WorkerAbstract\n\n__all__ = ["EmbedWorkerAbstract"]\n\n\n'
        'class EmbedWorkerAbstract(WorkerAbstract):\n    """The base."""\n'
    ),
}
OF_HAND = ("pipelex.testing.embed", "pipelex.cli.embed", *(f"embed/{name}" for name in ("capabilities", "protocol")))


def errors(project: SmallProject, capsys: pytest.CaptureFixture[str], *arguments: str) -> Sequence[str]:
    """Run the generator on a project in which something is missing; return its lines."""
    assert project.run(*arguments) == 2
    return capsys.readouterr().err.splitlines()


def test_a_row_alone_names_every_part_that_is_missing(small: SmallProject, capsys: pytest.CaptureFixture[str]) -> None:
    small.edit("spi.toml", "[symbols]\n", ROW)
    before = small.snapshot()
    found = errors(small, capsys)
    published = ("pipelex.cogt.embed.worker:EmbedWorkerAbstract", "pipelex.cogt.embed.job:EmbedJob")
    for reference in published:
        assert sum(f"'{reference}' is not published" in line for line in found) == 1
    modules = ("pipelex.cogt.embed.worker", "pipelex.cogt.embed.job", "pipelex.testing.embed", "pipelex.cli.embed")
    for module in modules:
        assert sum(f"no module '{module}' under src/" in line for line in found) == 1
    assert sum("no template 'src/pipelex/scaffold/templates/family/embed/" in line for line in found) == 5
    assert "11 problems; nothing was written." == found[-1]
    assert before == small.snapshot()


def test_a_row_with_its_types_is_generated_from_while_other_parts_are_missing(
    small: SmallProject, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "_run_again", lambda *_: pytest.fail("a second run finds the same parts missing"))
    small.edit("spi.toml", "[symbols]\n", ROW + PUBLISHED)
    for path, text in MODULES.items():
        small.write(path, text)
    found = errors(small, capsys)
    assert "7 problems; all other files are written." == found[-1]
    assert all(any(name in line for line in found) for name in OF_HAND)
    for path, text in {
        "src/pipelex/plugins/inference_backend_registry.py": 'EMBED = "embed"\n    """Texts in, vectors out."""',
        "src/pipelex/generated/families.py": "EMBED: Family[EmbedWorkerAbstract]",
        "src/pipelex/worker_factories.py": "def embed(self, model",
        "src/pipelex/generated/accessors.py": "def make_embed_worker(",
    }.items():
        assert text in (small.root / path).read_text(encoding="utf-8")
    assert "7 problems; nothing was written." == errors(small, capsys, "--check")[-1]


def test_a_row_that_names_its_call_is_run_for_many_rows(small: SmallProject) -> None:
    path = "src/pipelex/bulk/methods.py"
    assert path not in small.render()
    small.edit("spi.toml", 'command = "llm"\n', 'command = "llm"\ncall = "gen"\nanswer = "list[acme.answers:Answer]"\n')
    rendered = small.render()
    assert "make_job: Callable[[RowT], Job | str],\n" in rendered[path]
    assert ") -> MapRun[list[Answer]]: ...\n" in rendered[path]
    assert 'Job: Kind(LLM, "gen", "", list[Answer]),' in rendered["src/pipelex/bulk/kinds.py"]


@pytest.mark.parametrize("path", ["src/pipelex/cli/llm.py", "src/pipelex/testing/kit.py", "templates/protocol.md"])
def test_a_part_that_goes_is_missed_by_the_next_check(
    small: SmallProject, capsys: pytest.CaptureFixture[str], path: str
) -> None:
    assert small.run() == 0
    found = next(file for file in small.root.rglob(f"{path.rpartition('/')[2]}*") if "img_gen" not in file.parts)
    found.unlink()
    assert any("no module" in line or "no template" in line for line in errors(small, capsys, "--check"))


def test_the_templates_that_a_row_needs_are_all_that_the_scaffold_has() -> None:
    families = parse_spec((ROOT / "spi.toml").read_text(encoding="utf-8")).spec.family
    needed = {path for family in families for path in templates_of(family)}
    folder = ROOT / "src" / "pipelex" / "scaffold" / "templates" / "family"
    assert needed == {path.relative_to(ROOT).as_posix() for path in folder.rglob("*.tmpl")}

"""A family of spi.toml has its record at run time, its pages and its tests; a row alone has each of them named."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pipelex.cogt.model_backends.model_spec import Capability
from pipelex.generated.families import FAMILIES
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.plugins.registrar import CORE_COMMANDS
from tests.architecture.tree import ROOT, SPEC

if TYPE_CHECKING:
    from pathlib import Path

ROWS: list[dict[str, Any]] = SPEC["family"]


class Part(NamedTuple):
    """A page or a test that a family needs.

    Attributes:
        what: What it is for.
        files: Where it is looked for, below the project.
        text: A pattern of what one of these files contains.
    """

    what: str
    files: str
    text: str


def parts_of(row: dict[str, Any]) -> list[Part]:
    """Return what a family needs beside its sources, which the generator asks for."""
    base, kit = row["worker"].partition(":")[2], row["kit"].replace(":", ".")
    suite = kit.rpartition(".")[2]
    return [
        Part("the page for authors: its base and its hooks", "docs/write-a-plugin.md", rf"\| `{base}` \|"),
        Part("the page of the kit: its suite", "docs/conformance-kit.md", rf"`{kit}`"),
        Part("the page for users: its default model and its command", "docs/configuration.md", rf"`{row['command']}`"),
        Part("a test of its command", f"tests/cli/test_{row['value']}.py", rf"\"{row['command']}\""),
        Part("a test of its base", "tests/cogt/**/*.py", rf"\({base}\)"),
        Part("a plugin that passes its kit", "tests/testing/**/*.py", rf"\({suite}\)"),
        Part("a test of the types that a caller gets", "tests/typing/*.py", rf"\bpx\.{row['value']}\("),
    ]


def missing(row: dict[str, Any], root: Path) -> list[str]:
    """Name every page and every test of a family that is missing."""
    parts = (one for one in parts_of(row) if not _is_there(one, root))
    return [f"{one.files}: missing {one.what}; expected a text like {one.text}" for one in parts]


def _is_there(part: Part, root: Path) -> bool:
    return any(re.search(part.text, path.read_text(encoding="utf-8")) for path in root.glob(part.files))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_a_family_has_its_pages_and_its_tests(row: dict[str, Any]) -> None:
    found = missing(row, ROOT)
    assert not found, "\n".join(found)


def test_a_row_alone_has_every_page_and_every_test_named() -> None:
    worker, kit = "pipelex.cogt.planted:PlantedWorkerAbstract", "pipelex.testing.planted:PlantedConformance"
    row = {"value": "planted", "command": "planted", "worker": worker, "kit": kit}
    assert 7 == len(parts_of(row)) == len(missing(row, ROOT))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_the_record_of_a_family_is_its_row(row: dict[str, Any]) -> None:
    family = FAMILIES[InferenceFamily(row["value"])]
    assert (row["name"], row["words"], row["help"]) == (family.member.name, family.words, family.help)
    assert f"{family.load_base().__module__}:{family.load_base().__name__}" == row["worker"]
    assert family.command in CORE_COMMANDS
    assert family.first_call.startswith(f"pipelex {family.command} ")


def test_every_capability_is_of_a_family_and_every_family_names_capabilities() -> None:
    named = {name for family in FAMILIES.values() for name in family.capabilities}
    assert {capability.value for capability in Capability} == named

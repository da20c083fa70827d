"""The model of ``tests/counterparts.toml``: what the built-in drivers are tested against."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, StringConstraints, ValidationError

from codegen.errors import CodegenError, Problem, raise_any
from codegen.spec import Line, Table, dotted, shape_problems
from pipelex.spi.names import IDENTIFIER_PATTERN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codegen.project import Project
    from pipelex.spi.toml_text import Path as KeyPath

COUNTERPARTS_FILE = "tests/counterparts.toml"

Backend = Annotated[str, StringConstraints(pattern=rf"^[a-z][a-z_]*:{IDENTIFIER_PATTERN.removeprefix('^')}")]
"""``family:sdk``, the family by its value."""
_ADDRESS = re.compile(r"https?://[^\s,;)]+")


class Counterpart(Table):
    """What answers a driver in a test."""

    title: Line = Field(description="What it is, in a few words.")
    kind: Literal["server", "mock", "client", "replay", "library"] = Field(description="How far it is from the vendor.")
    pin: Line | None = Field(default=None, description="The version that runs, as its package registry spells it.")
    home: Line | None = Field(default=None, description="Where it comes from.")
    backend: str | None = Field(default=None, description="The packaged backend that is for servers of this kind.")
    formats: list[str] = Field(default=[], description="Of a replay: the modules whose docstrings name its pages.")


class Exercise(Table):
    """What of some backends was called on a counterpart."""

    against: str = Field(description="The counterpart.")
    run: Literal["make test", "make test-servers", "make test-slow"] = Field(description="What runs it.")
    backends: list[Backend] = Field(min_length=1, description="The backends, each as family:sdk.")
    what: Line = Field(description="What was called, in a few words.")


class Counterparts(Table):
    """All of ``tests/counterparts.toml``."""

    counterparts: dict[str, Counterpart] = Field(description="What answers, by name.")
    exercised: list[Exercise] = Field(description="Who was called on what.")

    def of(self, backend: str) -> list[Exercise]:
        """Return what was called of a backend."""
        return [exercise for exercise in self.exercised if backend in exercise.backends]


def read_counterparts(project: Project) -> Counterparts:
    """Read and check the file.

    Args:
        project: Where it is read from.

    Raises:
        CodegenError: With every key that is wrong.
    """
    parsed = project.read_toml(COUNTERPARTS_FILE)
    try:
        read = Counterparts.model_validate(parsed.data)
    except ValidationError as exc:
        raise CodegenError(*shape_problems(exc, parsed, COUNTERPARTS_FILE)) from exc
    raise_any([Problem(COUNTERPARTS_FILE, parsed.line(path), dotted(path), text) for path, text in _cross_check(read)])
    return read


def pages(project: Project, counterpart: Counterpart) -> list[str]:
    """Return the addresses of the pages that a replay follows: those in the docstrings of its modules.

    Args:
        project: Where the modules are read from.
        counterpart: The replay.
    """
    docstrings = [project.read(path).split('"""', maxsplit=2)[1:2] for path in counterpart.formats]
    return [address for docstring in docstrings for address in _ADDRESS.findall("".join(docstring))]


def _cross_check(read: Counterparts) -> Iterator[tuple[KeyPath, str]]:
    for place, exercise in enumerate(read.exercised):
        if exercise.against not in read.counterparts:
            text = f"unknown counterpart '{exercise.against}'; expected one of {', '.join(read.counterparts)}"
            yield ("exercised", place, "against"), text
    for name, counterpart in read.counterparts.items():
        if all(exercise.against != name for exercise in read.exercised):
            yield ("counterparts", name), "no row of [[exercised]] names it"
        needed = {"server": "pin", "mock": "pin", "client": "pin", "replay": "formats", "library": None}[
            counterpart.kind
        ]
        if needed is not None and not getattr(counterpart, needed):
            yield ("counterparts", name, needed), f"missing; a {counterpart.kind} needs it"

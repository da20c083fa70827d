"""The model of ``spi.toml``: the only full reader of it, and the JSON Schema that editors complete from."""

from __future__ import annotations

from collections import Counter
from re import sub
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from codegen.errors import CodegenError, Problem, not_toml, raise_any
from codegen.migration import fault_of
from codegen.project import SPEC_FILE
from pipelex.spi.change_kinds import CHANGE_KINDS
from pipelex.spi.names import IDENTIFIER_PATTERN, canonical
from pipelex.spi.toml_text import TomlText, TomlTextError, parse_toml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.spi.toml_text import Path as KeyPath

Identifier = Annotated[str, StringConstraints(pattern=IDENTIFIER_PATTERN)]
"""A plugin's name, an sdk, a command."""
Reference = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
"""``module:name``."""
MethodName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
"""A public method of a worker."""
AnswerType = Annotated[str, StringConstraints(pattern=r"^(list\[)?([A-Za-z_][\w.]*:)?[A-Za-z_]\w*\]?$")]
"""A type: ``str``, ``module:name``, ``list[module:name]``."""
Since = Annotated[str, StringConstraints(pattern=r"^([1-9]\d*\.\d+|next)$")]
"""``API version.revision``; ``next`` until ``python -m codegen bump`` writes the number in."""
SymbolPath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_*][\w.]*$")]
"""``module:name`` or ``module:Class.member``; ``module:*`` for a whole module."""
ConfigKey = Annotated[str, StringConstraints(pattern=r"^[a-z_]+(\.[a-z_]+)*$")]
"""A dotted key of ``pipelex.toml``."""
Line = Annotated[str, StringConstraints(pattern=r"^\S[^\r\n]*$", max_length=90)]
"""Prose on one line."""
RequirementText = Annotated[str, StringConstraints(pattern=r"^\S[^\r\n]*$", max_length=300)]
"""A requirement on a distribution (PEP 508): with its extras it may be long."""


class Table(BaseModel):
    """A table of TOML: no key but those that there are."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


class Family(Table):
    """A kind of model call."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z_]*$")] = Field(
        description="The member of InferenceFamily."
    )
    value: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]*$")] = Field(description="The member's value.")
    about: Line = Field(description="The docstring of the member: what goes in, what comes out.")
    words: Line = Field(description="How a sentence names its models.")
    worker: Reference = Field(description="The base of this family's workers, as module:class.")
    job: Reference = Field(description="What one call asks for, as module:class.")
    kit: Reference = Field(description="The suite of the conformance kit, as module:class.")
    command: Identifier = Field(description="The command that calls it, which cli/<value>.py defines.")
    help: Line = Field(description="What the command does, in one line.")
    first_call: Line = Field(description="The command as a user tries it first, without its model.")
    charged_on_arrival: bool = Field(
        default=False, description="Whether a request may be charged without an answer: then it is never repeated."
    )
    capabilities: list[Identifier] = Field(default=[], description="What a model of the family may declare.")
    call: MethodName | None = Field(
        default=None, description="The worker's method that takes a job alone; px.map calls it for each row."
    )
    object_call: MethodName | None = Field(
        default=None, description="The one that takes the type of the answer, too; none: there is no such answer."
    )
    answer: AnswerType | None = Field(
        default=None, description="What 'call' returns: a built-in type, module:class, or a list of those."
    )

    @property
    def job_class(self) -> str:
        """The name of the job."""
        return self.job.partition(":")[2]

    @property
    def job_of_row(self) -> str:
        """What a function may return as the job of a row, as an annotation: to a language model a text is one, too."""
        return f"{self.job_class} | str" if self.name == "LLM" else self.job_class

    @property
    def answer_type(self) -> str:
        """What ``call`` returns, as an annotation."""
        return sub(r"[\w.]+:", "", self.answer or "object")

    @property
    def worker_class(self) -> str:
        """The name of the worker base."""
        return self.worker.partition(":")[2]

    @property
    def title(self) -> str:
        """The family's name as class names spell it (``ImgGen``)."""
        return self.worker_class.removesuffix("WorkerAbstract")


class Symbol(Table):
    """A published name."""

    since: Since = Field(description="API version and revision that published it, as in 1.0.")
    role: Line = Field(description="What it is for, in a few words.")
    open: bool = Field(default=False, description="Of an enum: whether a mere revision may add members.")


class Requirement(Table):
    """A package that a built-in needs."""

    import_name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*$")] = Field(
        alias="import", description="Its import name; may be dotted."
    )
    requirement: RequirementText = Field(
        description="The requirement on its distribution, word for word as in pyproject.toml."
    )


class WorkerRow(Table):
    """One inference backend of a built-in."""

    family: str = Field(description="The name of a family.")
    sdk: Identifier = Field(description="The models' sdk.")
    worker: Reference = Field(description="The worker, as module:class under pipelex.providers.")
    client: Reference | None = Field(
        default=None, description="The client factory of this row, in place of the plugin's."
    )


class Lister(Table):
    """The model lister of a built-in."""

    function: Reference = Field(
        alias="list", description="The function (*, sdk, backend), as module:function under pipelex.providers."
    )
    errors: Reference = Field(description="The table of the vendor's errors: (exception) -> InferenceError | None.")
    sdks: list[Identifier] = Field(min_length=1, description="The sdks that it lists; the plugin's own.")


class Command(Table):
    """A command that a built-in contributes."""

    name: Identifier = Field(description="The word behind 'pipelex'.")
    help: Line = Field(description="What it does, in one line.")
    run: Reference = Field(description="The function, as module:function under pipelex.providers.")


class Builtin(Table):
    """A built-in plugin."""

    name: Identifier = Field(description="The plugin's name.")
    title: Line = Field(description="What it serves, in a few words, beginning with a small letter.")
    core_unconditional: bool = Field(default=False, description="Whether the denylist may not name it.")
    extra: Identifier | None = Field(
        default=None, description="The extra that brings what it requires; none: a base dependency does."
    )
    requires: list[Requirement] = Field(default=[], description="The packages that it needs; all are guarded.")
    client: Reference | None = Field(
        default=None, description="The client factory (*, sdk, backend), as module:function under pipelex.providers."
    )
    lister: Lister | None = Field(default=None, description="Its model lister.")
    commands: list[Command] = Field(default=[], description="Its commands.")
    workers: list[WorkerRow] = Field(min_length=1, description="Its inference backends.")


class Change(Table):
    """What a change between two versions was meant to be, and what a plugin's author has to do."""

    kind: str = Field(description="What kind of change it is.", json_schema_extra={"enum": list(CHANGE_KINDS)})
    symbol: SymbolPath = Field(description="What changed, under its old name: module:name or module:Class.member.")
    from_: str | None = Field(default=None, alias="from", description="What it was: a name, a parameter, a type.")
    to: str | None = Field(default=None, description="What it is now: a name, module:name, a parameter, a type.")
    why: Line = Field(description="Why it changed, for those who have to follow.")
    migration: str | None = Field(
        default=None, description="The code that 'pipelex plugins upgrade' writes, where from and to do not state it."
    )
    todo: Line | None = Field(default=None, description="What an author has to do by hand, where no code can.")


class Version(Table):
    """A version that was frozen. Written by 'python -m codegen freeze' and 'bump'."""

    number: int = Field(ge=1, description="The API version.")
    revision: int = Field(ge=0, description="Its revision.")
    released: bool = Field(default=False, description="Whether it is out: then it is never frozen anew.")
    digest: str = Field(description="The digest of its stubs and lock.")
    change: list[Change] = Field(default=[], description="What changed against the version before.")


class Next(Table):
    """What changes with the next version; 'python -m codegen bump' folds it."""

    change: list[Change] = Field(default=[], description="The changes, one by one.")


class Spec(Table):
    """All of ``spi.toml``."""

    api_version: int = Field(ge=1, description="The integer gate: a plugin's targets_api must equal it.")
    revision: int = Field(ge=0, description="Raised by additive changes; informs, gates nothing.")
    entry_point_group: Identifier = Field(description="Where installed plugins declare themselves.")
    contributions: list[Identifier] = Field(
        default=[], description="What a plugin may contribute: each has the menu method add_<name>."
    )
    configuration: list[ConfigKey] = Field(
        default=[], description="The keys of pipelex.toml by which users choose which plugins run."
    )
    family: list[Family] = Field(min_length=1, description="The kinds of model call.")
    symbols: dict[Reference, Symbol] = Field(min_length=1, description="The published names, by module:name.")
    extras: dict[Identifier, Line] = Field(
        default={}, description="The extras that no built-in needs, and what each is for."
    )
    builtin: list[Builtin] = Field(default=[], description="The built-in plugins.")
    next: Next = Field(default=Next(), description="What changes with the next version.")
    version: list[Version] = Field(default=[], description="The versions that were frozen, the oldest first.")

    def family_named(self, name: str) -> Family:
        """Return a family by its name; the checks have made sure that it exists."""
        return next(family for family in self.family if family.name == name)

    def open_enums(self) -> frozenset[str]:
        """Return the enums to which a revision may add members: whoever matches on one expects that."""
        return frozenset(reference for reference, symbol in self.symbols.items() if symbol.open)

    def published(self) -> dict[str, list[str]]:
        """Return the published names by module, both sorted."""
        modules: dict[str, list[str]] = {}
        for reference in sorted(self.symbols):
            module, _, name = reference.partition(":")
            modules.setdefault(module, []).append(name)
        return modules


class SpecFile:
    """A spec with the lines of its keys.

    Args:
        spec: The spec.
        text: The text that it was parsed from.
    """

    def __init__(self, spec: Spec, text: TomlText) -> None:
        self.spec = spec
        self._text = text

    def problem(self, path: KeyPath, text: str) -> Problem:
        """Make a problem of a key.

        Args:
            path: The key.
            text: What is wrong with it and what was expected.
        """
        return Problem(SPEC_FILE, self._text.line(path), dotted(path), text)


def dotted(path: KeyPath) -> str:
    """Spell a path as a reader of TOML would: ``builtin[1].workers[0].sdk``.

    Args:
        path: The path.
    """
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part.replace("_", "").replace("-", "").isalnum():
            text += f".{part}"
        else:
            text += f'."{part}"'
    return text.removeprefix(".")


def parse_spec(text: str) -> SpecFile:
    """Read the text of ``spi.toml`` and check what can be checked without another file.

    Args:
        text: The text.

    Returns:
        The spec.

    Raises:
        CodegenError: With every key that is wrong.
    """
    try:
        parsed = parse_toml(text)
    except TomlTextError as exc:
        raise not_toml(SPEC_FILE, exc) from exc
    try:
        spec_file = SpecFile(Spec.model_validate(parsed.data), parsed)
    except ValidationError as exc:
        raise CodegenError(*shape_problems(exc, parsed, SPEC_FILE)) from exc
    raise_any(list(_cross_check(spec_file)))
    return spec_file


def shape_problems(error: ValidationError, parsed: TomlText, file: str) -> Iterator[Problem]:
    """Convert what pydantic found into problems, each with its line.

    Args:
        error: What it found.
        parsed: The text of the file.
        file: The file, relative to the project.
    """
    for item in error.errors(include_url=False):
        path = tuple(part for part in item["loc"] if part != "[key]")
        kind, given = item["type"], item["input"]
        if kind == "extra_forbidden":
            known = "codegen/spi.schema.json" if file == SPEC_FILE else "the head of the file"
            text = f"no such key; see {known} for those that there are"
        elif kind == "missing":
            text = "missing; expected this key"
        else:
            text = f"{given!r} does not do: {item['msg'][0].lower()}{item['msg'][1:]}"
        yield Problem(file, parsed.line(path), dotted(path), text)


def _cross_check(spec_file: SpecFile) -> Iterator[Problem]:
    yield from _check_duplicates(spec_file)
    yield from _check_families(spec_file)
    yield from _check_listers(spec_file)
    yield from _check_since(spec_file)
    yield from _check_extras(spec_file)
    yield from _check_versions(spec_file)
    for index, change in enumerate(spec_file.spec.next.change):
        yield from _check_change(spec_file, ("next", "change", index), change)
    for index, version in enumerate(spec_file.spec.version):
        for place, change in enumerate(version.change):
            yield from _check_change(spec_file, ("version", index, "change", place), change)


def _check_duplicates(spec_file: SpecFile) -> Iterator[Problem]:
    """A plugin's name, a command, a family and a ``(family, sdk)`` each name one thing."""
    spec = spec_file.spec
    claims: list[tuple[str, KeyPath]] = []
    for index, family in enumerate(spec.family):
        claims.append((f"family name '{family.name}'", ("family", index, "name")))
        claims.append((f"family value '{family.value}'", ("family", index, "value")))
        claims.append((f"command '{canonical(family.command)}'", ("family", index, "command")))
        claims.append((f"worker base '{family.worker}'", ("family", index, "worker")))
        claims.append((f"kit '{family.kit}'", ("family", index, "kit")))
    for index, builtin in enumerate(spec.builtin):
        claims.append((f"plugin name '{canonical(builtin.name)}'", ("builtin", index, "name")))
        for place, command in enumerate(builtin.commands):
            claims.append((f"command '{canonical(command.name)}'", ("builtin", index, "commands", place, "name")))
        for place, row in enumerate(builtin.workers):
            key = f"(family, sdk) ({row.family}, {canonical(row.sdk)})"
            claims.append((key, ("builtin", index, "workers", place, "sdk")))
        for place, sdk in enumerate(builtin.lister.sdks if builtin.lister else []):
            claims.append((f"lister of sdk '{canonical(sdk)}'", ("builtin", index, "lister", "sdks", place)))
    counts = Counter(claim for claim, _ in claims)
    first: dict[str, KeyPath] = {}
    for claim, path in claims:
        if counts[claim] > 1 and first.setdefault(claim, path) != path:
            yield spec_file.problem(path, f"duplicate {claim}, held by {dotted(first[claim])}; expected it once")


def _check_families(spec_file: SpecFile) -> Iterator[Problem]:
    spec = spec_file.spec
    names = [family.name for family in spec.family]
    for index, family in enumerate(spec.family):
        wanted = f"pipelex {family.command}"
        if not f"{family.first_call} ".startswith(f"{wanted} "):
            text = f"'{family.first_call}' calls another command; expected it to begin with '{wanted}'"
            yield spec_file.problem(("family", index, "first_call"), text)
    for index, builtin in enumerate(spec.builtin):
        for place, row in enumerate(builtin.workers):
            if row.family not in names:
                text = f"unknown family '{row.family}'; expected one of {', '.join(names)}"
                yield spec_file.problem(("builtin", index, "workers", place, "family"), text)


def _check_listers(spec_file: SpecFile) -> Iterator[Problem]:
    for index, builtin in enumerate(spec_file.spec.builtin):
        own = [row.sdk for row in builtin.workers]
        for place, sdk in enumerate(builtin.lister.sdks if builtin.lister else []):
            if sdk not in own:
                text = f"'{sdk}' is none of this plugin's sdks; expected one of {', '.join(own)}"
                yield spec_file.problem(("builtin", index, "lister", "sdks", place), text)


def _check_since(spec_file: SpecFile) -> Iterator[Problem]:
    spec = spec_file.spec
    now = (spec.api_version, spec.revision)
    for reference, symbol in spec.symbols.items():
        version, _, revision = symbol.since.partition(".")
        if symbol.since != "next" and (int(version), int(revision)) > now:
            text = f"'{symbol.since}' is yet to come; expected at most {now[0]}.{now[1]}"
            yield spec_file.problem(("symbols", reference, "since"), text)


def _check_extras(spec_file: SpecFile) -> Iterator[Problem]:
    """An extra that brings nothing is a half-written row."""
    for index, builtin in enumerate(spec_file.spec.builtin):
        if builtin.extra is not None and not builtin.requires:
            text = f"extra '{builtin.extra}' brings nothing; expected 'requires', or no extra"
            yield spec_file.problem(("builtin", index, "extra"), text)


def _check_versions(spec_file: SpecFile) -> Iterator[Problem]:
    """Frozen versions follow one another, and the last of them is the one that is stated."""
    spec = spec_file.spec
    before = (0, 0)
    for index, version in enumerate(spec.version):
        numbers = (version.number, version.revision)
        if numbers not in {(before[0], before[1] + 1), (before[0] + 1, 0)}:
            text = (
                f"{numbers[0]}.{numbers[1]} does not follow {before[0]}.{before[1]}; 'python -m codegen bump' writes it"
            )
            yield spec_file.problem(("version", index, "number"), text)
        before = numbers
    if spec.version and before != (spec.api_version, spec.revision):
        text = (
            f"{spec.api_version}.{spec.revision} is not the last frozen version, {before[0]}.{before[1]}; "
            "expected that one: 'python -m codegen bump' raises it"
        )
        yield spec_file.problem(("api_version",), text)


def _check_change(spec_file: SpecFile, path: KeyPath, change: Change) -> Iterator[Problem]:
    rule = CHANGE_KINDS.get(change.kind)
    if rule is None:
        from difflib import get_close_matches

        near = ", ".join(get_close_matches(change.kind, CHANGE_KINDS, n=3)) or "one of pipelex/spi/change_kinds.py"
        yield spec_file.problem((*path, "kind"), f"unknown kind '{change.kind}'; expected {near}")
        return
    for key, value in (("from", change.from_), ("to", change.to)):
        if key in rule.needs and value is None:
            yield spec_file.problem(path, f"a change of kind '{change.kind}' needs '{key}'")
    if fault := fault_of(change):
        yield spec_file.problem((*path, "migration"), fault)
    if change.migration is not None and change.todo is not None:
        yield spec_file.problem((*path, "todo"), "has a migration too; expected one of the two")
    if rule.rewrite in {"code", "by hand"} and change.migration is None and change.todo is None:
        text = f"a change of kind '{change.kind}' needs 'migration' (code) or 'todo' (what an author does by hand)"
        yield spec_file.problem(path, text)

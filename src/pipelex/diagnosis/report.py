"""What the diagnosis comes to: plain records, which the command draws or writes as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple


class Finding(NamedTuple):
    """One thing that is wrong, or that is worth knowing.

    Attributes:
        id: What kind of thing; the kinds are listed in ``docs/doctor.md``.
        subject: What it is about: a plugin, a backend, a name.
        message: What is the matter.
        fix: What to do about it; may be a command.
        file: The file at fault, where there is one.
        line: The line, counted from 1, where it is known.
    """

    id: str
    subject: str
    message: str
    fix: str
    file: str | None = None
    line: int | None = None


class Claim(NamedTuple):
    """One thing that a plugin contributes.

    Attributes:
        kind: ``inference_backend``, ``model_lister`` or ``command``, as ``plugins list --json`` has it.
        family: The family of a backend, by value.
        sdk: The sdk of a backend or of a lister.
        name: The name of a command.
    """

    kind: Literal["inference_backend", "model_lister", "command"]
    family: str | None = None
    sdk: str | None = None
    name: str | None = None

    def __str__(self) -> str:
        match self.kind:
            case "inference_backend":
                return f"{self.family}/{self.sdk}"
            case "model_lister":
                return f"lists {self.sdk}"
        return f"command {self.name}"


@dataclass(kw_only=True)
class ExternalPlugin:
    """A plugin that an installed distribution announces, as far as it can be known without importing it.

    Attributes:
        name: Its entry point's name.
        own_name: The name that it gives itself, where its source states one.
        distribution: The distribution that brings it.
        version: That distribution's version.
        name_on_denylist: The name by which it alone can be disabled; ``None`` where another plugin has the same.
        entry_point: ``module:attribute``; ``None`` where the metadata cannot be read.
        file: The file of the entry point's module, where it was found.
        is_disabled: Whether it is on the denylist.
        targets_api: The plugin API version that it targets, where its source states it.
        targets_api_note: Where ``targets_api`` comes from, in words.
        claims: What its source states that it contributes.
        are_claims_complete: Whether that is all of it, as far as its source tells.
        sdks: The import names that its source guards, with their extras.
    """

    name: str
    distribution: str
    version: str
    name_on_denylist: str | None = None
    entry_point: str | None = None
    own_name: str | None = None
    file: str | None = None
    is_disabled: bool = False
    targets_api: int | None = None
    targets_api_note: str = "only known when it is loaded"
    claims: tuple[Claim, ...] = ()
    are_claims_complete: bool = False
    sdks: tuple[tuple[str, str], ...] = ()

    @property
    def label(self) -> str:
        """The plugin with its distribution and version."""
        return f"'{self.name}' ({self.distribution} {self.version})"

    @property
    def names(self) -> tuple[str, ...]:
        """The names by which it is known."""
        return (self.name,) if self.own_name is None else (self.name, self.own_name)


@dataclass(kw_only=True)
class BuiltinPlugin:
    """A built-in plugin, as the lock has it.

    Attributes:
        name: Its name.
        is_disabled: Whether it is on the denylist.
        is_core_unconditional: Whether the system refuses to run without it.
        claims: What it contributes.
        extra: The extra that brings what it needs; ``None`` where that is a base dependency.
        requirements: The requirements on what it needs.
        missing: What it needs and is not installed, by import name.
        install: How to install that; ``None`` where nothing is missing.
    """

    name: str
    is_disabled: bool
    is_core_unconditional: bool
    claims: tuple[Claim, ...]
    extra: str | None
    requirements: tuple[str, ...]
    missing: tuple[str, ...] = ()
    install: str | None = None


class Statement(NamedTuple):
    """A key of a backend's table that decides where its calls go.

    Attributes:
        key: The key in the table.
        value: An address, the references to environment variables, or an sdk. Never a value that may be secret.
        file: The file that states it; ``None`` where none does and a default holds.
        line: The line, counted from 1.
    """

    key: str
    value: str
    file: str | None = None
    line: int | None = None


@dataclass(kw_only=True)
class BackendReport:
    """A backend of the configuration.

    Attributes:
        name: Its name.
        is_used: Whether a file of the user's or the project's describes it, or makes use of it.
        sdks: What serves its models, each as ``family/sdk``; ``any/sdk`` where it describes no family.
        unset_variables: The environment variables that it takes values from and that are not set.
        statements: Its endpoint, its variables and its drivers, each with the file that states it.
    """

    name: str
    is_used: bool
    sdks: tuple[str, ...] = ()
    unset_variables: tuple[str, ...] = ()
    statements: tuple[Statement, ...] = ()


@dataclass(kw_only=True)
class Diagnosis:
    """All of it.

    Attributes:
        environment: What runs, and where it came from.
        plugins: The external plugins.
        builtins: The built-in plugins.
        backends: The backends of the configuration.
        findings: What is wrong.
        notes: What is worth knowing and wrong for nobody.
        incomplete: What could not be looked at, and why.
    """

    environment: dict[str, object] = field(default_factory=dict)
    plugins: list[ExternalPlugin] = field(default_factory=list)
    builtins: list[BuiltinPlugin] = field(default_factory=list)
    backends: list[BackendReport] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    incomplete: list[tuple[str, str]] = field(default_factory=list)

    @property
    def status(self) -> Literal["healthy", "findings", "incomplete"]:
        """The verdict; what could not be looked at never reads as healthy."""
        if self.incomplete:
            return "incomplete"
        return "findings" if self.findings else "healthy"

"""The root of every error that this library raises, and the errors of its lowest layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pipelex.field_types import with_error_schema
from pipelex.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Self

__all__ = ["MissingDependencyError", "PipelexError"]


def _rebuild(cls: type[PipelexError], args: tuple[object, ...], state: dict[str, object]) -> PipelexError:
    """Give back a pickled error: constructors take keywords, which the default protocol cannot replay."""
    error = cls.__new__(cls, *args)
    error.__dict__.update(state)
    return error


class PipelexError(Exception):
    """The one root of this library's errors: ``except PipelexError`` catches whatever it raises on purpose.

    Every error carries what it talks about as attributes, renders for a person with ``str`` and for a
    program with :meth:`to_dict`, and names its page in :attr:`page`.

    Args:
        message: What happened, where, and the fix.
    """

    __get_pydantic_core_schema__ = with_error_schema

    def __init__(self, message: str) -> None:
        super().__init__(redact(message))

    @property
    def page(self) -> str:
        """The entry of this error in the documentation, as a path with an anchor."""
        return f"docs/errors.md#{type(self).__name__.lower()}"

    def to_dict(self) -> dict[str, object]:
        """Return the error as plain data: its name, message, page and attributes, ready for JSON."""
        attributes = {name: _plain(value) for name, value in vars(self).items() if not name.startswith("_")}
        return {"error": type(self).__name__, "message": str(self), "page": self.page, **attributes}

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> Self:
        """Return the error that ``to_dict`` was called on: its class, its message and its plain attributes.

        Args:
            data: What ``to_dict`` returned.

        Returns:
            An error of this class or of the subclass that is named; of this class where that one is not loaded.
        """
        kinds: list[type[Self]] = [cls]
        for kind in kinds:
            kinds += kind.__subclasses__()
        named = next((kind for kind in kinds if kind.__name__ == data.get("error")), cls)
        attributes = {name: value for name, value in data.items() if name not in ("error", "page", "answer", "job")}
        error = _rebuild(named, (str(attributes.get("message", "")),), attributes)
        assert isinstance(error, cls)
        error._restore()
        return error

    def _restore(self) -> None:
        """Complete an error whose attributes came from ``to_dict``."""
        self.__dict__.pop("message", None)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.args, dict(vars(self)))


def _plain(value: object) -> object:
    """Reduce an attribute to what JSON can hold, without any secret; a class becomes its dotted name."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return redact(str.__str__(value))
    if isinstance(value, tuple | list):
        named = value._asdict() if hasattr(value, "_asdict") else None  # a NamedTuple
        return {name: _plain(item) for name, item in named.items()} if named else [_plain(item) for item in value]
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(item) for name, item in vars(value).items()}
    return redact(str(value))


class MissingDependencyError(PipelexError):
    """An optional package is missing at the moment that it is used.

    Args:
        dependency_name: The package that cannot be imported, as its import name (``"acme.client"``).
        extra_name: The extra that brings it: one of ``pipelex``, or of the distribution of an installed plugin.
        message: What the package is needed for.
    """

    def __init__(self, dependency_name: str, extra_name: str, message: str) -> None:
        from pipelex.install_hint import install_hint

        self.dependency_name = dependency_name
        self.extra_name = extra_name
        hint = install_hint(dependency_name=dependency_name, extra_name=extra_name)
        super().__init__(f"{message} The package '{dependency_name}' is not installed. {hint}")


class ConfigurationProblem(NamedTuple):
    """One thing that is wrong in a configuration file.

    Attributes:
        file: The file.
        reason: What is wrong and what was expected. Never holds a value that may be secret.
        line: The line, counted from 1, where it is known.
        key: The dotted key, where there is one.
    """

    file: str
    reason: str
    line: int | None = None
    key: str | None = None

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {f'{self.key}: ' if self.key else ''}{self.reason}"


class ConfigurationError(PipelexError):
    """A configuration file is invalid. All of its problems are reported at once.

    Args:
        file: The file of the first problem.
        reason: What is wrong there and what was expected.
        line: Its line, counted from 1, where it is known.
        key: Its dotted key, where there is one.
        others: The other problems, by file and line.

    Attributes:
        problems: All problems, the first one included; each with ``file``, ``reason``, ``line`` and ``key``.
    """

    def __init__(
        self,
        *,
        file: str,
        reason: str,
        line: int | None = None,
        key: str | None = None,
        others: Iterable[ConfigurationProblem] = (),
    ) -> None:
        self.file = file
        self.reason = reason
        self.line = line
        self.key = key
        self.problems = (ConfigurationProblem(file, reason, line, key), *others)
        super().__init__("\n".join(map(str, self.problems)))

    @classmethod
    def of(cls, problems: Iterable[ConfigurationProblem]) -> ConfigurationError:
        """Make the error about some problems, of which there is at least one."""
        first, *others = sorted(problems, key=lambda problem: (problem.file, problem.line or 0))
        return cls(**first._asdict(), others=others)


class UntrustedConfigurationError(PipelexError):
    """A model or backend is used that a project's file configures in a way that needs the user's trust.

    Args:
        subject: What was to be used.
        problems: Each key that is refused, with its file, its line and what it would do.
        folder: The project's folder.
    """

    def __init__(self, *, subject: str, problems: tuple[ConfigurationProblem, ...], folder: str) -> None:
        self.subject = subject
        self.problems = problems
        self.folder = folder
        from shlex import quote

        stated = "\n".join(map(str, problems))
        super().__init__(
            f"The configuration of {subject} comes from a project that you have not trusted:\n{stated}\n"
            f"Read the file. If you trust it: pipelex trust {quote(folder)} (in CI: PIPELEX_TRUST={quote(folder)})."
        )


def report_problems(found: Iterable[ConfigurationProblem], problems: list[ConfigurationProblem] | None = None) -> None:
    """Raise the problems that were found, if there are any, or add them to a list where one is given.

    Raises:
        ConfigurationError: There are problems, and no list to take them.
    """
    found = list(found)
    if problems is not None:
        problems.extend(found)
    elif found:
        raise ConfigurationError.of(found)


class MissingCredentialError(PipelexError):
    """A backend is used whose key, or another value, stands in an environment variable that is not set.

    Args:
        backend_name: The backend that was to be used. No other backend is affected.
        variables: Every environment variable that it takes a value from and that is not set, or empty.
    """

    def __init__(self, *, backend_name: str, variables: tuple[str, ...]) -> None:
        self.backend_name = backend_name
        self.variables = variables
        missing, one = " and ".join(variables), len(variables) == 1
        super().__init__(
            f"Backend '{backend_name}' takes {'a value' if one else 'values'} from the environment "
            f"{f'variable {missing}, which is' if one else f'variables {missing}, which are'} not set. "
            f"Set {'it' if one else 'them'} (export {' '.join(f'{variable}=...' for variable in variables)}) "
            f"or change [backends.{backend_name}] in .pipelex/pipelex.toml. Other backends are not affected."
        )


class UnknownModelError(PipelexError):
    """A model is asked for that neither the catalogue nor a ``backend/model-id`` explains.

    Args:
        model: The name as given.
        family: The family in which it was looked up, by value (``"llm"``).
        known: The names that the catalogue has for this family, nearest first.
        actual_families: The families, by value, in which there is such a model.
    """

    def __init__(
        self, *, model: str, family: str, known: tuple[str, ...], actual_families: tuple[str, ...] = ()
    ) -> None:
        self.model = model
        self.family = family
        self.known = known
        self.actual_families = actual_families
        elsewhere = f" It is of the family '{', '.join(actual_families)}'." if actual_families else ""
        nearest = f" Did you mean {' or '.join(repr(name) for name in known[:3])}?" if known else ""
        super().__init__(
            f"No model '{model}' in the family '{family}'.{elsewhere}{nearest} "
            "Name a model of the catalogue, write it as 'backend/model-id', or add [models.<name>] to "
            ".pipelex/models.toml."
        )


class UnknownBackendError(PipelexError):
    """A backend is named that no configuration file describes.

    Args:
        backend_name: The name as given.
        known: The backends that are configured, nearest first.
    """

    def __init__(self, *, backend_name: str, known: tuple[str, ...]) -> None:
        self.backend_name = backend_name
        self.known = known
        nearest = f" Configured: {', '.join(known)}." if known else ""
        super().__init__(
            f"No backend '{backend_name}' is configured.{nearest} "
            f"Add [backends.{backend_name}] to .pipelex/pipelex.toml."
        )


class NotSetUpError(PipelexError):
    """Something needs the running system, and none is set up."""

    def __init__(self) -> None:
        super().__init__(
            "Pipelex is not set up, or was closed. Work inside the block: 'with Pipelex.setup() as px: ...' "
            "(from pipelex.boot import Pipelex)."
        )


class InputFileError(PipelexError):
    """A document that was named cannot be read.

    Args:
        file: The document as it was named.
        reason: Why it cannot be read.
    """

    def __init__(self, *, file: str, reason: str) -> None:
        self.file = file
        self.reason = reason
        super().__init__(reason)


class OutputFileError(PipelexError):
    """A file cannot be written where it was asked for.

    Args:
        file: The file or folder.
        reason: Why not, and the way out.
    """

    def __init__(self, *, file: str, reason: str) -> None:
        self.file = file
        self.reason = reason
        super().__init__(f"{file}: {reason}")


class SystemFaultError(PipelexError):
    """The operating system refused what a command needs: space on a disk, a permission, a folder that is gone.

    Args:
        file: The file or folder, where it is known.
        reason: Why, in the system's words.
    """

    def __init__(self, *, file: str | None, reason: str) -> None:
        self.file = file
        self.reason = reason
        super().__init__(f"{file}: {reason}" if file is not None else reason)


class UnexpectedError(PipelexError):
    """A command met a failure that nobody foresaw: a fault of a plugin's code, or of ours.

    Args:
        reason: What was raised.
        place: Where, as ``file:line``.
    """

    def __init__(self, *, reason: str, place: str) -> None:
        self.reason = reason
        self.place = place
        super().__init__(
            f"{reason} (raised at {place}). This is a fault in the code there, not in what you asked for: report it "
            "to whoever wrote it. PIPELEX_TRACEBACK=1 shows the whole traceback."
        )


class PluginNameError(PipelexError):
    """A name that no plugin can have, or that is taken.

    Args:
        name: The name as given.
        reason: What is wrong with it, and the way out.
    """

    def __init__(self, *, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(f"A plugin cannot be called {name!r}: {reason}.")


class HostReferenceError(PipelexError):
    """What ``--pipelex`` names cannot be installed from.

    Args:
        given: What was given.
        reason: What is wrong with it, and what is expected.
    """

    def __init__(self, *, given: str, reason: str) -> None:
        self.given = given
        self.reason = reason
        super().__init__(f"--pipelex {given}: {reason}.")

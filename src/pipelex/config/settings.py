"""Backends and models as configured: packaged defaults under the user's files under the project's."""

from __future__ import annotations

import gc
import os
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipelex.config.locations import config_files
from pipelex.exceptions import MissingCredentialError, UnknownBackendError, UnknownModelError
from pipelex.redaction import keep_secret

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from pipelex.cogt.model_backends.backend import InferenceBackend
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
    from pipelex.config.file_models import BackendFamilyTable, BackendTable, ModelTable
    from pipelex.config.toml_file import KeyPath, TomlFile
    from pipelex.exceptions import ConfigurationError
    from pipelex.plugins.inference_backend_registry import InferenceFamily

FILE_NAMES = ("pipelex.toml", "models.toml")
DEFAULTS = Path(__file__).parent / "defaults"
_REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)\}")
_SECRET_KEY = re.compile(r"key|token|secret|password|credential", re.IGNORECASE)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@contextmanager
def _no_collection() -> Iterator[None]:
    """Collect no garbage meanwhile: all that a reading makes is kept, and looking through it grows faster than it."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class Settings:
    """The backends, the model catalogue and the default models. Keys are resolved per backend, at use.

    Args:
        files: The files, weakest first; a later one extends and overrides key by key.

    Raises:
        ConfigurationError: A file is not of the right shape; with its line and key.
    """

    __slots__ = ("_backends", "_defaults", "_files", "_models", "_resolved")

    def __init__(self, files: Iterable[TomlFile]) -> None:
        from pipelex.config.file_models import BackendTable, ModelTable, check_file

        self._files = tuple(files)
        merged: dict[str, object] = {}
        for file in self._files:
            check_file(file)
            _merge(merged, file.data)
        self._backends: dict[str, BackendTable] = {
            name: BackendTable.model_validate(table) for name, table in _items(merged, "backends")
        }
        self._models: dict[str, ModelTable] = {
            name: ModelTable.model_validate(table) for name, table in _items(merged, "models")
        }
        self._defaults = {family: str(model) for family, model in _items(merged, "defaults")}
        self._resolved: dict[str, tuple[InferenceBackend, tuple[tuple[str, str], ...]]] = {}

    @classmethod
    def load(cls, start: Path | None = None) -> Settings:
        """Read the packaged defaults, the user's files and the project's.

        Args:
            start: Where the search for the project's ``.pipelex`` begins; the current directory if not given.

        Raises:
            ConfigurationError: A file cannot be read or is not of the right shape; with its line and key.
        """
        from pipelex.config.toml_file import TomlFile

        paths = [path for name in FILE_NAMES for path in (DEFAULTS / name, *reversed(config_files(start, name)))]
        with _no_collection():
            return cls(TomlFile.read(path) for path in paths)

    def resolve_model(
        self, name: str, *, family: InferenceFamily, known_sdks: Collection[str] = ()
    ) -> InferenceModelSpec:
        """Say what stands behind a model's name.

        Args:
            name: A name of the catalogue, or ``backend/model-id``.
            family: The family in which it is to be used.
            known_sdks: The sdks that plugins serve in this family. A backend that describes other families
                alone is used in this one only where its own name is among them.

        Raises:
            UnknownModelError: The name is neither; or what it names is of another family.
            UnknownBackendError: The part before the ``/`` is no configured backend.
            ConfigurationError: The catalogue's table of the model is not complete.
        """
        table = self._models.get(name)
        if table is not None:
            spec = self._spec(name, table)
            if spec.family != family:
                raise self._unknown_model(name, family, actual_families=(spec.family.value,))
            return spec
        backend_name, slash, model_id = name.partition("/")
        if not slash or not backend_name or not model_id:
            raise self._unknown_model(name, family)
        families = self._backend(backend_name).families
        if families and family not in families and backend_name not in known_sdks:
            raise self._unknown_model(name, family, actual_families=tuple(other.value for other in families))
        return self._make_spec(name, family, backend_name, model_id)

    def resolve_backend(self, name: str) -> InferenceBackend:
        """Return a backend's record, with every ``${VARIABLE}`` in it read from the environment now.

        Args:
            name: The configured name.

        Raises:
            UnknownBackendError: No file describes this backend.
            MissingCredentialError: A variable is not set, or empty; all of them are named.
            ConfigurationError: A ``${...}`` is not well-formed.
        """
        kept = self._kept_backend(name)
        if kept is not None:
            return kept
        from pipelex.cogt.model_backends.backend import InferenceBackend
        from pipelex.config.file_models import extras_of

        table, read = self._backend(name), dict[str, str]()
        backend = InferenceBackend(
            name=name,
            endpoint=self._expand(name, "endpoint", table.endpoint, read) if table.endpoint else None,
            api_key=self._expand(name, "api_key", table.api_key, read) if table.api_key else None,
            policy=table.policy,
            extras={
                key: self._expand(name, key, value, read) if isinstance(value, str) else value
                for key, value in extras_of(table).items()
            },
        )
        unset = tuple(variable for variable, value in read.items() if not value)
        if unset:
            raise MissingCredentialError(backend_name=name, variables=unset)
        self._resolved[name] = backend, tuple(read.items())
        return backend

    def default_model(self, family: InferenceFamily) -> str | None:
        """Return the name of the model that serves a family where none is named, if one is configured."""
        return self._defaults.get(family.value)

    def backend_names(self) -> tuple[str, ...]:
        """Return the names of the configured backends."""
        return tuple(self._backends)

    def families_of(self, backend_name: str) -> tuple[InferenceFamily, ...]:
        """Return the families that a backend's tables describe.

        Raises:
            UnknownBackendError: No file describes this backend.
        """
        return tuple(self._backend(backend_name).families)

    def sdks_of(self, backend_name: str) -> tuple[str, ...]:
        """Return every sdk that a backend's tables and its catalogue models use, each once.

        Raises:
            UnknownBackendError: No file describes this backend.
        """
        families = self._backend(backend_name).families
        of_families = [table.sdk or backend_name for table in families.values()]
        of_models = [spec.sdk for spec in self.models() if spec.backend_name == backend_name]
        return tuple(dict.fromkeys((*of_families, *of_models))) or (backend_name,)

    def models(self, family: InferenceFamily | None = None) -> Iterator[InferenceModelSpec]:
        """Yield the models of the catalogue.

        Args:
            family: The one family wanted; all if not given.

        Raises:
            ConfigurationError: The table of a model is not complete.
        """
        for name, table in self._models.items():
            spec = self._spec(name, table)
            if family is None or spec.family == family:
                yield spec

    def _backend(self, name: str) -> BackendTable:
        table = self._backends.get(name)
        if table is None:
            raise UnknownBackendError(backend_name=name, known=_nearest_first(name, self._backends))
        return table

    def _spec(self, name: str, table: ModelTable) -> InferenceModelSpec:
        """Make the record of a catalogue model, completed by its backend's table of the family."""
        from pipelex.config.file_models import extras_of

        if table.family is None:
            raise self._error(("models", name), "'family' is missing")
        if table.backend is None:
            raise self._error(("models", name), "'backend' is missing")
        if table.backend not in self._backends:
            known = ", ".join(_nearest_first(table.backend, self._backends))
            reason = f"no backend '{table.backend}' is configured. Configured: {known}"
            raise self._error(("models", name, "backend"), reason)
        spec = self._make_spec(name, table.family, table.backend, table.model_id or name)
        from dataclasses import replace

        return replace(
            spec,
            sdk=table.sdk or spec.sdk,
            capabilities=spec.capabilities if table.capabilities is None else table.capabilities,
            context_window=table.context_window,
            max_output_tokens=table.max_output_tokens,
            price_list=table.price_list or spec.price_list,
            extras=extras_of(table),
        )

    def _make_spec(self, name: str, family: InferenceFamily, backend_name: str, model_id: str) -> InferenceModelSpec:
        from pipelex.cogt.model_backends.model_spec import InferenceModelSpec

        backend = self._backends[backend_name]
        table: BackendFamilyTable | None = backend.families.get(family)
        return InferenceModelSpec(
            name=name,
            family=family,
            backend_name=backend_name,
            sdk=(table.sdk if table is not None else None) or backend_name,
            model_id=model_id,
            capabilities=(table.capabilities if table is not None else None) or frozenset(),
            policy=backend.policy,
            price_list=backend.price_list,
        )

    def _kept_backend(self, name: str) -> InferenceBackend | None:
        """Return a backend's record as it was read before, if every variable still says what it said then."""
        backend, variables = self._resolved.get(name, (None, ()))
        for variable, value in variables:
            if os.environ.get(variable) != value:
                return None
        return backend

    def _expand(self, backend_name: str, key: str, value: str, read_values: dict[str, str]) -> str:
        """Replace each ``${VARIABLE}`` of a value, noting what they say. The value itself never stands in an error."""

        def read(reference: re.Match[str]) -> str:
            variable = reference[1]
            if variable is None:  # the escape $${
                return "${"
            if not _VARIABLE.fullmatch(variable):
                raise self._error(path, "expected the name of an environment variable between ${ and }")
            found = os.environ.get(variable, "")
            read_values[variable] = found
            return found

        path = ("backends", backend_name, key)
        if value.startswith("$") and _VARIABLE.fullmatch(value[1:]):
            raise self._error(path, "an environment variable is written with braces: ${NAME}")
        if "${" in _REFERENCE.sub("", value):
            raise self._error(path, "'${' without its '}'. Write '$${' for the two characters themselves")
        expanded = _REFERENCE.sub(read, value)
        if _SECRET_KEY.search(key):
            keep_secret(expanded)
        return expanded

    def _unknown_model(
        self, name: str, family: InferenceFamily, *, actual_families: tuple[str, ...] = ()
    ) -> UnknownModelError:
        known = _nearest_first(name, [spec.name for spec in self.models(family)])
        return UnknownModelError(model=name, family=family.value, known=known, actual_families=actual_families)

    def _error(self, key: KeyPath, reason: str) -> ConfigurationError:
        """Make the error about a key of the strongest file that states it."""
        stating = (file for file in reversed(self._files) if _states(file.data, key))
        return next(stating, self._files[-1]).error(key, reason)


def _merge(weaker: dict[str, object], stronger: dict[str, object]) -> None:
    """Lay one file's data over another's, table by table."""
    for key, value in stronger.items():
        below = weaker.get(key)
        if isinstance(value, dict):
            below = weaker[key] = dict(below) if isinstance(below, dict) else {}
            _merge(below, value)
        else:
            weaker[key] = value


def _items(data: dict[str, object], section: str) -> Iterable[tuple[str, object]]:
    table = data.get(section, {})
    return table.items() if isinstance(table, dict) else ()


def _states(data: object, key: KeyPath) -> bool:
    for part in key:
        if not isinstance(data, dict) or part not in data:
            return False
        data = data[part]
    return True


def _nearest_first(name: str, choices: Iterable[str]) -> tuple[str, ...]:
    from difflib import SequenceMatcher

    matcher = SequenceMatcher(b=name.lower())

    def distance(choice: str) -> tuple[float, str]:
        matcher.set_seq1(choice.lower())
        return -matcher.ratio(), choice

    return tuple(sorted(choices, key=distance))

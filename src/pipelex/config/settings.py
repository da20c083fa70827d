"""Backends and models as configured: packaged defaults under the user's files under the project's."""

from __future__ import annotations

import gc
import os
import re
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from pipelex.config.locations import DEFAULTS, ConfigFolder, config_folders
from pipelex.config.references import expand, variables_of
from pipelex.exceptions import (
    ConfigurationError,
    MissingCredentialError,
    UnknownBackendError,
    UnknownModelError,
    UntrustedConfigurationError,
    report_problems,
)
from pipelex.redaction import keep_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from pipelex.cogt.model_backends.backend import InferenceBackend
    from pipelex.cogt.model_backends.model_spec import CallPolicy, InferenceModelSpec
    from pipelex.config.toml_file import KeyPath, TomlFile
    from pipelex.config.untrusted import Refusal
    from pipelex.exceptions import ConfigurationProblem
    from pipelex.plugins.inference_backend_registry import InferenceFamily

    Table = Mapping[str, Any]
    """A table that was checked: ``pipelex.config.tables`` has the types of its values."""

_SECRET_KEY = re.compile(r"key|token|secret|password|credential|authorization|cookie", re.IGNORECASE)
_TABLES_OF_MODEL = ("extra_headers", "extra_body")
_PLACE_KEYS = frozenset({"endpoint", "control_endpoint", "region", "location", "profile", "project"})
"""Keys whose values are no secrets, although they may come from the environment."""


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
        files: The files, weakest first; a later one extends and overrides key by key. What an untrusted one may not
            hold is left out.
        problems: Takes what is wrong, in place of an error being raised; what is wrong is left out.

    Attributes:
        files: The files with what is right and has effect in them, weakest first.
        refusals: What untrusted files hold that they may not. An error where a model or backend that it concerns is
            resolved.
        postponed: What is wrong in untrusted files, which stops nothing else: an error in the same places.

    Raises:
        ConfigurationError: A file is invalid; all problems are named, with line and key.
    """

    __slots__ = ("_backends", "_defaults", "_models", "_resolved", "_sdks", "files", "postponed", "refusals")

    def __init__(self, files: Iterable[TomlFile], *, problems: list[ConfigurationProblem] | None = None) -> None:
        from pipelex.config.tables import FileCheck

        checks = [FileCheck(file) for file in files]
        report_problems((problem for check in checks for problem in check.problems), problems)
        self.refusals: tuple[Refusal, ...] = ()
        self.postponed: tuple[ConfigurationProblem, ...] = ()
        files = [check.checked for check in checks]
        trusted: dict[str, Any] = {}
        for file in files:
            if file.is_trusted:
                _merge(trusted, file.data)
        merged = dict(trusted)
        self.files = (
            *(file for file in files if file.is_trusted),
            *(self._without_refused(file, trusted) for file in files if not file.is_trusted),
        )
        for file in self.files:
            if not file.is_trusted:
                _merge(merged, file.data)
        self._backends: Mapping[str, Table] = merged.get("backends", {})
        self._models: Mapping[str, Table] = merged.get("models", {})
        self._sdks: Mapping[str, Mapping[str, Table]] = merged.get("sdks", {})
        self._defaults: Mapping[str, str] = merged.get("defaults", {})
        self._resolved: dict[str, tuple[InferenceBackend, tuple[tuple[str, str], ...]]] = {}

    @classmethod
    def load(cls, start: Path | None = None, *, problems: list[ConfigurationProblem] | None = None) -> Settings:
        """Read the packaged defaults, the user's files and the project's.

        Args:
            start: Where the search for the project's ``.pipelex`` begins; the current directory if not given.
            problems: Takes what is wrong, in place of an error being raised; what is wrong is left out.

        Raises:
            ConfigurationError: A file cannot be read, is no TOML or, where it is trusted, is invalid; all problems
                are named, with line and key.
        """
        from pipelex.config.trust import is_trusted

        return cls.of_folders(config_folders(start), trusts=is_trusted, problems=problems)

    @classmethod
    def of_folders(
        cls,
        folders: Iterable[ConfigFolder],
        *,
        trusts: Callable[[ConfigFolder, list[TomlFile]], bool],
        problems: list[ConfigurationProblem] | None = None,
    ) -> Settings:
        """Read the packaged defaults and the files of some folders.

        Args:
            folders: The folders, strongest first.
            trusts: Decides whether a folder is trusted, by those of its files that were read.
            problems: As for :meth:`load`.

        Raises:
            ConfigurationError: As for :meth:`load`.
        """
        from pipelex.config.toml_file import read_files

        found: list[ConfigurationProblem] = []
        weakest_first: list[TomlFile] = []
        with _no_collection():
            for folder in (*folders, ConfigFolder(DEFAULTS, is_trusted=True)):
                files = read_files(folder.files, found)
                are_trusted = trusts(folder, files) if files else True
                for file in files:
                    file.is_trusted = are_trusted
                weakest_first = files + weakest_first
            settings = cls(weakest_first, problems=found)
        untrusted = {str(file.path) for file in weakest_first if not file.is_trusted}
        settings.postponed = tuple(problem for problem in found if problem.file in untrusted)
        report_problems(
            found if problems is not None else (one for one in found if one.file not in untrusted), problems
        )
        return settings

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
            UntrustedConfigurationError: An untrusted file describes the model, or its backend.
        """
        self._refuse_untrusted(f"model '{name}'", ("models", name))
        if name in self._models:
            problems = list(self._missing_in(name))
            if problems:
                raise ConfigurationError.of(problems)
            spec = self._spec(name)
            self._refuse_untrusted(f"backend '{spec.backend_name}'", ("backends", spec.backend_name))
            if spec.family != family:
                raise self._unknown_model(name, family, actual_families=(spec.family.value,))
            return spec
        backend_name, slash, model_id = name.partition("/")
        if not slash or not backend_name or not model_id:
            raise self._unknown_model(name, family)
        families = self.families_of(backend_name)
        self._refuse_untrusted(f"backend '{backend_name}'", ("backends", backend_name))
        if families and family not in families and backend_name not in known_sdks:
            raise self._unknown_model(name, family, actual_families=tuple(other.value for other in families))
        return self._make_spec(name, family, backend_name, {"model_id": model_id})

    def resolve_backend(self, name: str) -> InferenceBackend:
        """Return a backend's record, with every ``${VARIABLE}`` in it read from the environment now.

        Args:
            name: The configured name.

        Raises:
            UnknownBackendError: No file describes this backend.
            MissingCredentialError: A variable is not set, or blank; all of them are named.
            UntrustedConfigurationError: An untrusted file states a key of its table.
            ConfigurationError: The endpoint is no base URL, or the key or a header is none that can be sent.
        """
        kept = self._kept_backend(name)
        if kept is not None:
            return kept
        from pipelex.cogt.model_backends.backend import InferenceBackend
        from pipelex.config.tables import BACKEND_KEYS, SETTING_KEYS

        self._refuse_untrusted(f"backend '{name}'", ("backends", name))
        raw = {variable: os.environ.get(variable, "") for variable in self.variables_of(name)}
        variables = {variable: value.strip() for variable, value in raw.items()}
        unset = tuple(variable for variable, value in variables.items() if not value)
        if unset:
            raise MissingCredentialError(backend_name=name, variables=unset)
        table = self._backend(name)
        values = {
            key: _frozen(value, partial(_expanded, key, variables=variables))
            for key, value in table.items()
            if not isinstance(value, dict)
        }
        try:
            backend = InferenceBackend(
                name=name,
                endpoint=values.get("endpoint"),
                api_key=values.get("api_key") or None,
                policy=_policy(table),
                extras={key: value for key, value in values.items() if key not in SETTING_KEYS | BACKEND_KEYS},
                extra_headers={
                    key: _expanded(key, value, variables) for key, value in table.get("extra_headers", {}).items()
                },
            )
        except ConfigurationError as exc:
            raise ConfigurationError.of([self._located(name, problem) for problem in exc.problems]) from None
        self._resolved[name] = backend, tuple(raw.items())
        return backend

    def variables_of(self, backend_name: str) -> tuple[str, ...]:
        """Return the environment variables that a backend takes values from, each once.

        Raises:
            UnknownBackendError: No file describes this backend.
        """
        texts = self.texts_of(backend_name).values()
        return tuple(dict.fromkeys(variable for text in texts for variable in variables_of(text)))

    def origin(self, key: KeyPath) -> TomlFile | None:
        """Return the file that states the value in use of a key; ``None`` where no file states it."""
        return next((file for file in reversed(self.files) if _states(file.data, key)), None)

    def default_model(self, family: InferenceFamily) -> str | None:
        """Return the name of the model that serves a family where none is named, if one is configured.

        Raises:
            UntrustedConfigurationError: An untrusted file has it taken from the environment.
        """
        self._refuse_untrusted(f"the default model of '{family}'", ("defaults", family.value))
        return self._defaults.get(family.value)

    def backend_names(self) -> tuple[str, ...]:
        """Return the names of the configured backends."""
        return tuple(self._backends)

    def families_of(self, backend_name: str) -> tuple[InferenceFamily, ...]:
        """Return the families that a backend's tables describe.

        Raises:
            UnknownBackendError: No file describes this backend.
        """
        from pipelex.plugins.inference_backend_registry import InferenceFamily

        table = self._backend(backend_name)
        return tuple(InferenceFamily(key) for key in table if key in tuple(InferenceFamily))

    def drivers_of(self, backend_name: str) -> dict[InferenceFamily, str]:
        """Return the sdk that serves each family that a backend's tables describe.

        Raises:
            UnknownBackendError: No file describes this backend.
        """
        table = self._backend(backend_name)
        return {family: table[family].get("sdk", backend_name) for family in self.families_of(backend_name)}

    def texts_of(self, backend_name: str) -> dict[str, str]:
        """Return the texts of a backend's table by key, with their ``${VARIABLE}`` as written: some may be secret.

        Raises:
            UnknownBackendError: No file describes this backend.
        """
        table = self._backend(backend_name)
        headers = {f"extra_headers.{name}": text for name, text in table.get("extra_headers", {}).items()}
        lists = {
            f"{key}.{index}": element
            for key, value in table.items()
            if isinstance(value, list)
            for index, element in enumerate(value)
            if isinstance(element, str)
        }
        return {key: value for key, value in table.items() if isinstance(value, str)} | lists | headers

    def sdks_of(self, backend_name: str) -> tuple[str, ...]:
        """Return every sdk that a backend's tables and its catalogue models use, each once.

        Raises:
            UnknownBackendError: No file describes this backend.
        """
        of_families = self.drivers_of(backend_name).values()
        of_models = [spec.sdk for spec in self.models() if spec.backend_name == backend_name]
        return tuple(dict.fromkeys((*of_families, *of_models))) or (backend_name,)

    def models(self, family: InferenceFamily | None = None) -> Iterator[InferenceModelSpec]:
        """Yield the models of the catalogue that are complete.

        Args:
            family: The one family wanted; all if not given.
        """
        for name, table in self._models.items():
            if (family is None or table.get("family") == family) and not any(self._missing_in(name)):
                yield self._spec(name)

    def incomplete_models(self) -> Iterator[ConfigurationProblem]:
        """Yield what is missing in the models of the catalogue. It is an error where such a model is resolved."""
        for name in self._models:
            yield from self._missing_in(name)

    def _backend(self, name: str) -> Table:
        table = self._backends.get(name)
        if table is None:
            raise UnknownBackendError(backend_name=name, known=_nearest_first(name, self._backends))
        return table

    def _without_refused(self, file: TomlFile, trusted: Table) -> TomlFile:
        from pipelex.config.untrusted import refusals_in, without

        refused = list(refusals_in(file, trusted))
        self.refusals += tuple(refused)
        return without(file, refused)

    def _refuse_untrusted(self, subject: str, key: KeyPath) -> None:
        """Refuse a model or backend whose table an untrusted file has a part in that it may not have.

        Raises:
            UntrustedConfigurationError: It is so; every key is named.
        """
        if not self.refusals and not self.postponed:
            return
        from pathlib import Path

        from pipelex.config.toml_file import name_of

        named = name_of(key)
        found = [refusal.problem for refusal in self.refusals if refusal.key[: len(key)] == key]
        found += [problem for problem in self.postponed if f"{problem.key}.".startswith(f"{named}.")]
        if found:
            folder = str(Path(found[0].file).parent.parent)
            raise UntrustedConfigurationError(subject=subject, problems=tuple(found), folder=folder)

    def _missing_in(self, model: str) -> Iterator[ConfigurationProblem]:
        """Yield what is missing in the table of a catalogue model."""
        table, key = self._models[model], ("models", model)
        for name in ("family", "backend"):
            if name not in table:
                yield self._problem(key, f"'{name}' is missing")
        backend = table.get("backend")
        if backend is not None and backend not in self._backends:
            known = ", ".join(_nearest_first(backend, self._backends))
            yield self._problem((*key, "backend"), f"no backend '{backend}' is configured. Configured: {known}")

    def _spec(self, name: str) -> InferenceModelSpec:
        from pipelex.plugins.inference_backend_registry import InferenceFamily

        table = self._models[name]
        return self._make_spec(name, InferenceFamily(table["family"]), table["backend"], table)

    def _make_spec(self, name: str, family: InferenceFamily, backend_name: str, model: Table) -> InferenceModelSpec:
        """Make the record of a model: what its table does not state, its backend's table of the family states.

        Where neither states its capabilities, they follow from its sdk. The backend's own headers are its client's.
        """
        from pipelex.cogt.model_backends.model_spec import Capability, InferenceModelSpec
        from pipelex.config.tables import MODEL_KEYS, SETTING_KEYS

        backend = self._backends[backend_name]
        of_backend = {key: backend[key] for key in ("price_provider", *SETTING_KEYS) if key in backend}
        of_backend.pop("extra_headers", None)
        of_family: Table = backend.get(family.value, {})
        sdk = model.get("sdk") or of_family.get("sdk", backend_name)
        stated: dict[str, Any] = {}
        for table in (self._sdks.get(family.value, {}).get(sdk, {}), of_backend, of_family, model):
            _merge(stated, table)
        for key, value in stated.get("extra_headers", {}).items():
            if _SECRET_KEY.search(key):
                keep_secret(value)
        return InferenceModelSpec(
            name=name,
            family=family,
            backend_name=backend_name,
            sdk=sdk,
            model_id=stated.get("model_id", name),
            capabilities=frozenset(map(Capability, stated.get("capabilities", ()))),
            context_window=stated.get("context_window"),
            max_output_tokens=stated.get("max_output_tokens"),
            policy=_policy(backend),
            price_provider=stated.get("price_provider"),
            **{key: stated.get(key, {}) for key in _TABLES_OF_MODEL},
            extras={
                key: _frozen(value) for key, value in stated.items() if key not in (*MODEL_KEYS, *_TABLES_OF_MODEL)
            },
        )

    def _kept_backend(self, name: str) -> InferenceBackend | None:
        """Return a backend's record as it was read before, if every variable still has the value that it had then."""
        if name not in self._resolved:
            return None
        backend, variables = self._resolved[name]
        for variable, value in variables:  # with every call: few steps
            if os.environ.get(variable, "") != value:
                return None
        return backend

    def _unknown_model(
        self, name: str, family: InferenceFamily, *, actual_families: tuple[str, ...] = ()
    ) -> UnknownModelError:
        known = _nearest_first(name, [spec.name for spec in self.models(family)])
        return UnknownModelError(model=name, family=family.value, known=known, actual_families=actual_families)

    def _located(self, backend_name: str, problem: ConfigurationProblem) -> ConfigurationProblem:
        """Return the problem of a backend's record with the file and the line that state its key."""
        key = (problem.key or "").removeprefix(f"backends.{backend_name}.")
        return self._problem(("backends", backend_name, key), problem.reason)

    def _problem(self, key: KeyPath, reason: str) -> ConfigurationProblem:
        """Make the problem about a key of the strongest file that states it."""
        return (self.origin(key) or self.files[-1]).problem(key, reason)


def read_variable(name: str) -> str:
    """Return the value of an environment variable without the white space around it; empty where it is not set."""
    return os.environ.get(name, "").strip()


def may_be_secret(key: str, text: str) -> bool:
    """Return whether a text of a backend's table may hold a secret: its key is named so, or it names a variable.

    Args:
        key: The key. One that names a place (an endpoint, a region) holds none.
        text: The text, with its ``${VARIABLE}`` as written.
    """
    return bool(_SECRET_KEY.search(key)) or (bool(variables_of(text)) and key not in _PLACE_KEYS)


def _frozen(value: Any, convert: Callable[[str], str] = str) -> Any:
    """Return the value of a key as the records have it: a list as a tuple, every text converted."""
    if isinstance(value, list):
        return tuple(_frozen(element, convert) for element in value)
    return convert(value) if isinstance(value, str) else value


def _expanded(key: str, text: str, variables: Mapping[str, str]) -> str:
    """Replace the references in a text of a backend's table; the result is masked in messages if it may be secret."""
    expanded = expand(text, variables).strip()
    if may_be_secret(key, text):
        for secret in (expanded, *(variables[variable] for variable in variables_of(text))):
            keep_secret(secret)
    return expanded


def _policy(backend: Table) -> CallPolicy:
    """Return how the calls to a backend are limited and repeated; what its table does not state is at its default."""
    from pipelex.cogt.model_backends.model_spec import CallPolicy

    return CallPolicy(**{field: backend[field] for field in CallPolicy.__dataclass_fields__ if field in backend})


def _merge(weaker: dict[str, Any], stronger: Table) -> None:
    """Lay one file's data over another's, table by table. The tables that are changed are copied before."""
    for key, value in stronger.items():
        below = weaker.get(key)
        if isinstance(value, dict):
            below = weaker[key] = dict(below) if isinstance(below, dict) else {}
            _merge(below, value)
        else:
            weaker[key] = value


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

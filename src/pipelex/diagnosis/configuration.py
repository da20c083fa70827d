"""The configuration files: every fault in them, and what remains of them when the faults are left out.

The checks of ``pipelex.config`` stop at the first fault of a file. All of them are found by handing over a file piece
by piece: any part of a file is a file that may be, so a piece at fault is at fault by itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipelex.config.locations import config_files
from pipelex.config.plugins_config import disabled_in
from pipelex.config.settings import FILE_NAMES, Settings
from pipelex.config.toml_file import TomlFile
from pipelex.diagnosis.report import Finding
from pipelex.exceptions import ConfigurationError, MissingCredentialError, PipelexError
from pipelex.plugins.inference_backend_registry import InferenceFamily

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
    from pipelex.config.toml_file import KeyPath

_DEFAULTS = Path(__file__).parents[1] / "config" / "defaults"


class _Piece(NamedTuple):
    """One value of a file with its key; of a list, one element."""

    key: KeyPath
    value: object
    is_element: bool = False

    def as_data(self) -> dict[str, object]:
        data: object = [self.value] if self.is_element else self.value
        for part in reversed(self.key):
            data = {part: data}
        return data if isinstance(data, dict) else {}

    def add_to(self, data: dict[str, object]) -> None:
        for part in self.key[:-1]:
            inner = data.setdefault(part, {})
            if not isinstance(inner, dict):  # two pieces of one file agree on what is a table
                return
            data = inner
        if not self.is_element:
            data[self.key[-1]] = self.value
            return
        elements = data.setdefault(self.key[-1], [])
        if isinstance(elements, list):
            elements.append(self.value)


class Configuration:
    """The files of the user and of the project, without what is wrong in them.

    Args:
        start: Where the search for the project's ``.pipelex`` begins; the current directory if not given.

    Attributes:
        paths: The files that there are, strongest first, by name.
        errors: Every fault, by file and line.
        disabled: The denylist.
        settings: Backends and models, from what is right.
    """

    def __init__(self, start: Path | None = None) -> None:
        self.paths = [path for name in FILE_NAMES for path in config_files(start, name)]
        self._errors: dict[tuple[object, ...], ConfigurationError] = {}
        stated = [file for path in self.paths if (file := self._read(path)) is not None]
        self._stated = self._without_broken_models(stated)
        self.settings = self._settings_of(self._stated)
        self.disabled = self._denylist()
        self._expand_all()

    @property
    def errors(self) -> list[ConfigurationError]:
        """Every fault, by file and line."""
        return sorted(self._errors.values(), key=lambda error: (error.file, error.line or 0, error.key or ""))

    def unset_variables(self, backend_name: str) -> tuple[str, ...]:
        """Return the environment variables that a backend takes values from and that are not set."""
        return self._unset.get(backend_name, ())

    def used_backends(self) -> frozenset[str]:
        """Return the backends that the user's or the project's files describe, or make use of."""
        used = {name for file in self._stated for name in _table(file.data, "backends")}
        models = {model.name: model for model in self.models()}
        for file in self._stated:
            used |= {models[name].backend_name for name in _table(file.data, "models") if name in models}
            for name in _table(file.data, "defaults").values():
                used.add(models[name].backend_name if name in models else str(name).partition("/")[0])
        return frozenset(used & set(self.settings.backend_names()))

    def models(self) -> tuple[InferenceModelSpec, ...]:
        """Return the models of the catalogue that are complete."""
        return tuple(self.settings.models())

    def sdks_of(self, backend_name: str) -> tuple[str, ...]:
        """Return what serves a backend's models, each as ``family/sdk``; ``any/sdk`` where no family is described."""
        pairs = [f"{model.family}/{model.sdk}" for model in self.models() if model.backend_name == backend_name]
        for family in InferenceFamily:
            if any(family.value in _table(data, "backends", backend_name) for data in self._all_data()):
                spec = self.settings.resolve_model(f"{backend_name}/any", family=family)
                pairs.append(f"{family}/{spec.sdk}")
        return tuple(dict.fromkeys(pairs)) or (f"any/{backend_name}",)

    def default_model_findings(self) -> Iterator[Finding]:
        """Yield each default model that nothing explains."""
        for family in InferenceFamily:
            model = self.settings.default_model(family)
            if model is None:
                continue
            try:
                self.settings.resolve_model(model, family=family, known_sdks=(model.partition("/")[0],))
            except PipelexError as exc:
                key: KeyPath = ("defaults", family.value)
                file = next((file for file in self._stated if family.value in _table(file.data, "defaults")), None)
                where = (str(file.path), file.line_of(key)) if file is not None else (None, None)
                fix = f"name another model, or describe this one in .pipelex/models.toml: {exc}"
                message = f"the default model of '{family}' is '{model}', which nothing explains"
                yield Finding("unknown_default_model", model, message, fix, *where)

    def _read(self, path: Path) -> TomlFile | None:
        """Read a file and return it without its faults; ``None`` where it cannot be read at all."""
        from pipelex.config.file_models import check_file

        try:
            file = TomlFile.read(path)
        except ConfigurationError as exc:
            self._note(exc)
            return None
        checks: list[Callable[[TomlFile], object]] = [check_file]
        if path.name == FILE_NAMES[0]:
            checks.append(disabled_in)
        right: dict[str, object] = {}
        for piece in _pieces(file.data):
            part = TomlFile(path, file.text, piece.as_data())
            if all(self._passes(check, part) for check in checks):
                piece.add_to(right)
        return TomlFile(path, file.text, right)

    def _passes(self, check: Callable[[TomlFile], object], part: TomlFile) -> bool:
        try:
            check(part)
        except ConfigurationError as exc:
            self._note(exc)
            return False
        return True

    def _note(self, error: ConfigurationError) -> None:
        self._errors.setdefault((error.file, error.line, error.key), error)

    def _without_broken_models(self, files: list[TomlFile]) -> list[TomlFile]:
        """Leave out the models of the catalogue that are not complete."""
        settings = self._settings_of(files)
        merged: dict[str, str] = {}
        for file in (*_packaged(), *reversed(files)):
            for name, table in _table(file.data, "models").items():
                stated = table.get("family") if isinstance(table, dict) else None
                merged[name] = str(stated) if stated is not None else merged.get(name, "")
        broken = set()
        for name, family in merged.items():
            try:
                settings.resolve_model(name, family=InferenceFamily(family or "llm"))
            except ConfigurationError as exc:
                self._note(exc)
                broken.add(name)
        return [_without_models(file, broken) for file in files] if broken else files

    def _settings_of(self, files: list[TomlFile]) -> Settings:
        return Settings([*_packaged(), *reversed(files)])

    def _denylist(self) -> tuple[str, ...]:
        stated = (disabled_in(file) for file in self._stated if file.path.name == FILE_NAMES[0])
        return next((names for names in stated if names is not None), ())

    def _all_data(self) -> Iterator[Mapping[str, object]]:
        yield from (file.data for file in (*self._stated, *_packaged()))

    def _expand_all(self) -> None:
        """Try every value of every backend by itself, so that no missing variable hides another."""
        self._unset: dict[str, tuple[str, ...]] = {}
        for name in self.settings.backend_names():
            unset: dict[str, None] = {}
            for file, key, value in self._values_of(name):
                unset.update(dict.fromkeys(self._missing_in(file, name, key, value)))
            self._unset[name] = tuple(unset)

    def _values_of(self, backend_name: str) -> Iterator[tuple[TomlFile, str, str]]:
        """Yield each text in a backend's table that counts, with the file that states it."""
        seen = set()
        for file in (*self._stated, *_packaged()):
            for key, value in _table(file.data, "backends", backend_name).items():
                if key not in seen and isinstance(value, str):
                    yield file, key, value
                seen.add(key)

    def _missing_in(self, file: TomlFile, backend_name: str, key: str, value: str) -> Iterator[str]:
        piece = TomlFile(file.path, file.text, {"backends": {backend_name: {key: value}}})
        try:
            Settings([piece]).resolve_backend(backend_name)
        except MissingCredentialError as exc:
            yield from exc.variables
        except ConfigurationError as exc:
            self._note(exc)


def _packaged() -> tuple[TomlFile, ...]:
    return tuple(TomlFile.read(_DEFAULTS / name) for name in FILE_NAMES)


def _pieces(data: Mapping[str, object], key: KeyPath = ()) -> Iterator[_Piece]:
    for name, value in data.items():
        here = (*key, name)
        if isinstance(value, dict) and value:
            yield from _pieces(value, here)
        elif isinstance(value, list) and len(value) > 1:
            yield from (_Piece(here, element, is_element=True) for element in value)
        else:
            yield _Piece(here, value)


def _table(data: Mapping[str, object], *key: str) -> dict[str, object]:
    """Return a table inside a file's data; an empty one where there is none."""
    found: object = data
    for part in key:
        found = found.get(part) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _without_models(file: TomlFile, names: Iterable[str]) -> TomlFile:
    left_out = set(names)
    models = {name: table for name, table in _table(file.data, "models").items() if name not in left_out}
    return TomlFile(file.path, file.text, {**file.data, "models": models} if "models" in file.data else file.data)

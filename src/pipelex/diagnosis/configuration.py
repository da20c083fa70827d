"""The configuration as it is read at run time, without what is wrong in it; and what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.config.locations import config_files
from pipelex.config.plugins_config import load_plugins_config
from pipelex.config.settings import DEFAULTS, FILE_NAMES, Settings, read_variable
from pipelex.diagnosis.report import Finding
from pipelex.exceptions import ConfigurationError, PipelexError
from pipelex.plugins.inference_backend_registry import InferenceFamily

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipelex.exceptions import ConfigurationProblem


class Configuration:
    """The files of the user and of the project, without what is wrong in them.

    Args:
        start: Where the search for the project's ``.pipelex`` begins; the current directory if not given.

    Attributes:
        paths: The files that exist, strongest first, by name.
        problems: What is wrong, by file and line.
        disabled: The denylist.
        settings: Backends and models, without what is wrong.
        models: The models of the catalogue that are complete.
    """

    def __init__(self, start: Path | None = None) -> None:
        found: list[ConfigurationProblem] = []
        self.paths = [path for name in FILE_NAMES for path in config_files(start, name)]
        self.settings = Settings.load(start, problems=found)
        found += self.settings.incomplete_models()
        self.problems = ConfigurationError.of(found).problems if found else ()
        self.disabled = load_plugins_config(config_files(start), problems=[]).disabled  # the settings name them too
        self.models = tuple(self.settings.models())

    def unset_variables(self, backend_name: str) -> tuple[str, ...]:
        """Return the environment variables that a backend takes values from and that are not set."""
        return tuple(name for name in self.settings.variables_of(backend_name) if not read_variable(name))

    def used_backends(self) -> frozenset[str]:
        """Return the backends that the user's or the project's files describe, or make use of."""
        backend_of = {model.name: model.backend_name for model in self.models}
        used: set[str] = set()
        for file in self.settings.files:
            if file.path.parent == DEFAULTS:
                continue
            used.update(file.table("backends"))
            used.update(backend_of[name] for name in file.table("models") if name in backend_of)
            used.update(
                backend_of.get(str(name), str(name).partition("/")[0]) for name in file.table("defaults").values()
            )
        return frozenset(used & set(self.settings.backend_names()))

    def sdks_of(self, backend_name: str) -> tuple[str, ...]:
        """Return what serves a backend's models, each as ``family/sdk``; ``any/sdk`` where no family is described."""
        pairs = [f"{model.family}/{model.sdk}" for model in self.models if model.backend_name == backend_name]
        pairs += [
            f"{family}/{self.settings.resolve_model(f'{backend_name}/any', family=family).sdk}"
            for family in self.settings.families_of(backend_name)
        ]
        return tuple(dict.fromkeys(pairs)) or (f"any/{backend_name}",)

    def default_model_findings(self) -> Iterator[Finding]:
        """Yield each default model that is neither in the catalogue nor a ``backend/model-id``."""
        for family in InferenceFamily:
            model = self.settings.default_model(family)
            if model is None:
                continue
            try:
                self.settings.resolve_model(model, family=family, known_sdks=(model.partition("/")[0],))
            except PipelexError as exc:
                key = ("defaults", family.value)
                file = self.settings.origin(key)
                where = (str(file.path), file.line_of(key)) if file is not None else (None, None)
                fix = f"name another model, or describe this one in .pipelex/models.toml: {exc}"
                message = f"the default model of '{family}' is '{model}', which nothing explains"
                yield Finding("unknown_default_model", model, message, fix, *where)

"""The configuration as it is read at run time, without what is wrong in it; and what is wrong."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from pipelex.config.locations import DEFAULTS, FILE_NAMES, config_files, skipped_folders
from pipelex.config.plugins_config import load_plugins_config
from pipelex.config.references import expand, variables_of
from pipelex.config.settings import Settings, may_be_secret, read_variable
from pipelex.config.untrusted import address_in
from pipelex.diagnosis.report import Finding, Statement
from pipelex.exceptions import ConfigurationError, PipelexError, UntrustedConfigurationError
from pipelex.plugins.inference_backend_registry import InferenceFamily

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
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
        skipped: The project folders that are not read, for somebody else can change them.
    """

    def __init__(self, start: Path | None = None) -> None:
        found: list[ConfigurationProblem] = []
        self.paths = [path for name in FILE_NAMES for path in config_files(start, name)]
        self.settings = Settings.load(start, problems=found)
        found += self.settings.incomplete_models()
        self.problems = ConfigurationError.of(found).problems if found else ()
        self.disabled = load_plugins_config(start, problems=[]).disabled  # the settings name them too
        self.models = tuple(self.settings.models())
        self.skipped = skipped_folders(start)

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
        pairs += [f"{family}/{sdk}" for family, sdk in self.settings.drivers_of(backend_name).items()]
        return tuple(dict.fromkeys(pairs)) or (f"any/{backend_name}",)

    def statements(self, backend_name: str) -> Iterator[Statement]:
        """Yield what decides where a backend's calls go, with the file that states it: endpoint, variables, drivers."""
        for key, text in self.settings.texts_of(backend_name).items():
            if key == "endpoint":
                yield self._statement(backend_name, (key,), _address(text))
            elif variables := variables_of(text):
                yield self._statement(backend_name, (key,), " ".join(f"${{{name}}}" for name in variables))
        for family, sdk in self.settings.drivers_of(backend_name).items():
            yield self._statement(backend_name, (family.value, "sdk"), sdk)

    def _statement(self, backend_name: str, key: tuple[str, ...], value: str) -> Statement:
        path = ("backends", backend_name, *key)
        file = self.settings.origin(path)
        where = (str(file.path), file.line_of(path)) if file is not None else (None, None)
        return Statement(".".join(key), value, *where)

    def invalid_values(self, backend_name: str) -> Iterator[Finding]:
        """Yield what a backend's record refuses: an endpoint that is no base URL, a key that no header can carry."""
        try:
            self.settings.resolve_backend(backend_name)
        except ConfigurationError as exc:
            yield from config_errors(exc.problems)
        except PipelexError:  # an unset variable, an untrusted file: other findings name them
            return

    def plain_http_notes(self, backend_name: str) -> Iterator[Finding]:
        """Yield a note for each address of another machine to which a backend's secrets travel over plain http."""
        texts = self.settings.texts_of(backend_name)
        secret = [key for key, text in texts.items() if may_be_secret(key, text)]
        for key in ("endpoint", "control_endpoint"):
            address = _address(texts.get(key, ""))
            if secret and address.startswith("http://") and not _is_loopback(address):
                message = f"{' and '.join(secret)} of backend '{backend_name}' travels unencrypted to {address}"
                yield Finding("plain_http", backend_name, message, "use an https address")

    def trust_findings(self) -> Iterator[Finding]:
        """Yield each key of an untrusted file that has no effect, and each folder that is not read at all."""
        for refusal in self.settings.refusals:
            problem = refusal.problem
            message = f"{problem.key} has no effect, for the project is not trusted: {problem.reason}"
            fix = f"read the file; if you trust it: pipelex trust {quote(str(refusal.file.path.parent.parent))}"
            yield Finding("untrusted_key", problem.key or "", message, fix, problem.file, problem.line)
        for folder in self.skipped:
            yield Finding("skipped_folder", str(folder.path), f"its files are not read: {folder.reason}", folder.fix)

    def default_model_findings(self) -> Iterator[Finding]:
        """Yield each default model that is neither in the catalogue nor a ``backend/model-id``."""
        for family in InferenceFamily:
            model: str | None = None
            try:
                model = self.settings.default_model(family)
                if model is not None:
                    self.settings.resolve_model(model, family=family, known_sdks=(model.partition("/")[0],))
            except UntrustedConfigurationError:
                continue  # trust_findings names the keys
            except PipelexError as exc:
                key = ("defaults", family.value)
                file = self.settings.origin(key)
                where = (str(file.path), file.line_of(key)) if file is not None else (None, None)
                fix = f"name another model, or describe this one in .pipelex/models.toml: {exc}"
                message = f"the default model of '{family}' is '{model}', which nothing explains"
                yield Finding("unknown_default_model", str(model), message, fix, *where)


def config_errors(problems: Iterable[ConfigurationProblem]) -> Iterator[Finding]:
    """Yield a finding for each problem of a configuration file."""
    for problem in problems:
        about = problem.key or problem.file
        message = f"{problem.key}: {problem.reason}" if problem.key else problem.reason
        yield Finding("config_error", about, message, "correct it", problem.file, problem.line)


def _address(text: str) -> str:
    """Return the address that an endpoint comes to; as it is written where one of its variables is not set."""
    values = {name: read_variable(name) for name in variables_of(text)}
    if not all(values.values()):
        return text
    return address_in(expand(text, values).strip()) or "(no address)"


def _is_loopback(address: str) -> bool:
    from ipaddress import ip_address
    from urllib.parse import urlsplit

    host = urlsplit(address).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name
        return host == "localhost" or host.endswith(".localhost")

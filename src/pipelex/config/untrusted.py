"""What a project's file may hold before its user trusts it: ``ALLOWED``, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pipelex.config.references import variables_of
from pipelex.plugins.inference_backend_registry import InferenceFamily

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipelex.config.toml_file import KeyPath, TomlFile
    from pipelex.exceptions import ConfigurationProblem

    Table = Mapping[str, Any]

ALLOWED: Mapping[str, frozenset[str]] = {
    "backends": frozenset(
        {
            "timeout_s",
            "connect_timeout_s",
            "max_attempts",
            "deadline_s",
            "max_retry_after_s",
            "max_outage_s",
            "max_validation_retries",
            "max_concurrency",
            "requests_per_minute",
            "tokens_per_minute",
        }
    ),
    "backends.family": frozenset({"capabilities"}),
    "sdks": frozenset({"capabilities"}),
    "models": frozenset(
        {
            "family",
            "backend",  # where a trusted file describes it
            "sdk",  # where a trusted file has that backend served by it
            "model_id",
            "capabilities",
            "context_window",
            "max_output_tokens",
            "price_provider",
        }
    ),
    "defaults": frozenset(family.value for family in InferenceFamily),
}
"""The keys of each table that an untrusted file may state, as long as they take no value from the environment.

``[plugins] disabled`` beside them: it adds to the user's denylist, see ``pipelex.config.plugins_config``. A key that is
not here is refused, so a key that a driver reads tomorrow is refused until somebody allows it.
"""


class Refusal(NamedTuple):
    """A key of an untrusted file that has no effect.

    Attributes:
        key: The key, part by part.
        file: The file.
        effect: What it would do, as a verb with its object.
    """

    key: KeyPath
    file: TomlFile
    effect: str

    @property
    def problem(self) -> ConfigurationProblem:
        """The same as the problem of a configuration file."""
        return self.file.problem(self.key, f"it would {self.effect}")


def refusals_in(file: TomlFile, trusted: Table) -> Iterator[Refusal]:
    """Yield what an untrusted file holds that it may not.

    Args:
        file: The file, checked.
        trusted: The configuration without it.
    """
    for key, value in _stated(file.data):
        if (isinstance(value, str) and "${" in value) or key[-1] not in ALLOWED.get(_kind_of_table(key), ()):
            yield Refusal(key, file, _effect(key, value))
    for name, table in file.table("models").items():
        yield from _misplaced(("models", name), file, dict(table) if isinstance(table, dict) else {}, trusted)


def without(file: TomlFile, refusals: list[Refusal]) -> TomlFile:
    """Return a file without what is refused in it. Of a model, nothing remains: no half of it describes a model."""
    refused = {refusal.key for refusal in refusals}
    models = {key[1] for key in refused if key[0] == "models"}

    def kept(value: object, path: KeyPath) -> object:
        if not isinstance(value, dict):
            return value
        return {
            name: kept(inner, (*path, name))
            for name, inner in value.items()
            if (*path, name) not in refused and not (path == ("models",) and name in models)
        }

    data = kept(file.data, ())
    return file.with_data(data if isinstance(data, dict) else {})


def _stated(data: object, path: KeyPath = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """Yield each key of a file that has a value, tables left out."""
    for name, value in data.items() if isinstance(data, dict) else ():
        if isinstance(value, dict):
            yield from _stated(value, (*path, name))
        else:
            yield tuple(map(str, (*path, name))), value


def _kind_of_table(key: tuple[str, ...]) -> str:
    """Return by which row of ``ALLOWED`` a key is judged; no row for a table that is none of these."""
    match key:
        case ("backends", _, family, _) if family in ALLOWED["defaults"]:
            return "backends.family"
        case ("sdks", _, _, _) | ("backends", _, _) | ("models", _, _) | ("defaults", _):
            return key[0]
    return ""


def _misplaced(key: KeyPath, file: TomlFile, stated: Table, trusted: Table) -> Iterator[Refusal]:
    """Yield where the table of a model leads to a backend or a driver that the trusted files do not."""
    weaker = trusted.get("models", {}).get(key[-1], {})
    model = {**weaker, **stated}
    backend = str(model.get("backend", ""))
    if "backend" in stated and backend not in trusted.get("backends", {}):
        yield Refusal((*key, "backend"), file, f"use backend {backend!r}, which no trusted file describes")
    elif "sdk" in model and model["sdk"] not in _drivers_of(backend, trusted):
        effect = f"have the driver {model['sdk']!r} use the key of backend {backend!r}"
        yield Refusal((*key, "sdk" if "sdk" in stated else "backend"), file, effect)


def _drivers_of(backend: str, trusted: Table) -> set[str]:
    """Return the sdks by which the trusted files have a backend served."""
    table = trusted.get("backends", {}).get(backend, {})
    of_families = {inner.get("sdk", backend) for family, inner in table.items() if family in ALLOWED["defaults"]}
    models = (model for model in trusted.get("models", {}).values() if model.get("backend") == backend)
    return (of_families or {backend}) | {model["sdk"] for model in models if "sdk" in model}


def _effect(key: KeyPath, value: object) -> str:
    """Return what a key would do, without a value that may be secret."""
    owner = f"{str(key[0]).removesuffix('s')} {key[1]!r}"
    effects = []
    if isinstance(value, str) and (variables := variables_of(value)):
        effects.append(f"read {' and '.join(variables)} from the environment")
    if key[-1] == "sdk":
        effects.append(f"choose the driver {value!r} for {owner}")
    elif key[-1] == "api_key":
        effects.append(f"set the key of {owner}")
    elif isinstance(value, str) and ((address := address_in(value)) or key[-1] == "endpoint"):
        effects.append(f"send the calls of {owner}, with their key, to {address or 'that address'}")
    else:
        effects.append(f"set '{key[-1]}' for the driver of {owner}")
    return " and ".join(effects)


def address_in(text: str) -> str | None:
    """Return the address that a text is, without user, password and query; ``None`` where it is none."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        return None
    if not parts.scheme or host is None:
        return None
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

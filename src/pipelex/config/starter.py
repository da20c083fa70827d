"""The files that a project begins with: cut out of the packaged defaults, whose comments they keep."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

from pipelex.cogt.model_backends.model_spec import CallPolicy
from pipelex.config.locations import DEFAULTS, FILE_NAMES
from pipelex.config.settings import Settings
from pipelex.config.toml_file import TomlFile, quoted
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.spi.lock import read_spi_lock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MAIN, _CATALOGUE = FILE_NAMES
_HEADER = re.compile(r"\[([\w.-]+)\]")
_VARIABLE = re.compile(r"^[^#\n]*\$\{(\w+)\}", re.MULTILINE)
ANY_MODEL = "MODEL-ID"
_HEADING = """\
# Written by "pipelex init". What stands here overrides the packaged defaults, key by key.
# A key is never written here: "${VARIABLE}" is read from the environment when its backend is used."""


class StarterBackend(NamedTuple):
    """A backend that a project can begin with.

    Attributes:
        name: Its name.
        families: The families that it serves.
        text: Its own table as TOML, below the comment on it.
    """

    name: str
    families: tuple[InferenceFamily, ...]
    text: str

    @classmethod
    def of_sdk(cls, sdk: str, families: tuple[InferenceFamily, ...]) -> StarterBackend:
        """Make the backend of an installed plugin's sdk, whose name it bears."""
        variable = re.sub(r"\W", "_", sdk).upper()
        return cls(sdk, families, f'[backends.{quoted(sdk)}]\n# api_key = "${{{variable}_API_KEY}}"')

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that its table takes values from."""
        return tuple(_VARIABLE.findall(self.text))

    def model(self, family: InferenceFamily, settings: Settings) -> str | None:
        """Return the name of its first model of a family in the catalogue."""
        return next((spec.name for spec in settings.models(family) if spec.backend_name == self.name), None)


def packaged_backends() -> dict[str, StarterBackend]:
    """Return the backends of the packaged defaults, by name."""
    settings, blocks = packaged_settings(), _blocks(_MAIN)
    found: dict[str, StarterBackend] = {}
    for name in settings.backend_names():
        own = blocks.get(f"backends.{name}")
        families = settings.families_of(name)
        # a backend without a table of its own has its comment above the table of its first family
        text = own or f"{_comment(blocks[f'backends.{name}.{families[0]}'])}\n[backends.{name}]".lstrip()
        found[name] = StarterBackend(name, families, text)
    return found


def packaged_settings() -> Settings:
    """Return the packaged defaults alone."""
    return Settings(TomlFile.read(DEFAULTS / name) for name in FILE_NAMES)


def starter_files(backends: Sequence[StarterBackend]) -> dict[str, str]:
    """Return the texts of the files by name, the same for the same backends.

    Args:
        backends: Those that the project begins with. The first that has a model of a family gives its default, in
            place of a packaged one that would have to be installed first.
    """
    settings, blocks = packaged_settings(), _blocks(_MAIN)
    main = (
        _HEADING,
        _commented(blocks["plugins"]),
        "\n".join((_comment(blocks["defaults"]), "[defaults]", *_defaults(backends, settings))),
        "\n".join((_comment(blocks["backends"]), *_call_policy())),
        *(backend.text for backend in backends),
    )
    about = _comment((DEFAULTS / _CATALOGUE).read_text(encoding="utf-8"))
    catalogue = (about, *(_commented(_example(backend, settings)) for backend in backends))
    return {_MAIN: "\n\n".join(main) + "\n", _CATALOGUE: "\n\n".join(catalogue) + "\n"}


def _blocks(name: str) -> dict[str, str]:
    """Return each table of a packaged file as it is written, with the comment right above it, by its header."""
    blocks: dict[str, list[str]] = {}
    comment: list[str] = []
    block: list[str] = []
    for line in (DEFAULTS / name).read_text(encoding="utf-8").splitlines():
        header = _HEADER.fullmatch(line)
        if header is not None:
            block = blocks[header[1]] = [*comment, line]
        elif line.startswith("#"):
            comment.append(line)
            continue
        elif line:
            block += [*comment, line]
        comment = []  # above a blank line it is no table's own
    return {header: "\n".join(lines) for header, lines in blocks.items()}


def _comment(block: str) -> str:
    """Return the comment that a block begins with."""
    return "\n".join(takewhile(lambda line: line.startswith("#"), block.splitlines()))


def _commented(text: str) -> str:
    return "\n".join(f"# {line}" for line in text.splitlines())


def _defaults(backends: Sequence[StarterBackend], settings: Settings) -> Iterator[str]:
    """Yield a line for each family that is served: its default model, a comment where that is not certain."""
    for family in InferenceFamily:
        serving = [backend for backend in backends if family in backend.families]
        models = [model for backend in serving if (model := backend.model(family, settings))]
        if models:
            yield f'{"# " if _is_ready(family, settings) else ""}{family} = "{models[0]}"'
        elif serving:
            yield f'# {family} = "{serving[0].name}/{ANY_MODEL}"'


def _is_ready(family: InferenceFamily, settings: Settings) -> bool:
    """Tell whether the packaged default model of a family works as it is: without a key, and without an extra."""
    model = settings.default_model(family)
    if model is None:
        return False
    key = f"{family}/{settings.resolve_model(model, family=family).sdk}"
    return any(key in row.backends and row.extra is None for row in read_spi_lock().builtins)


def _call_policy() -> Iterator[str]:
    yield "# In any backend's table: time-outs, retries and limits of its calls, with their defaults."
    unset = ", ".join(field.name for field in fields(CallPolicy) if field.default is None)
    yield f"# No limit is set by default with these keys: {unset}."
    yield from (f"# {field.name} = {field.default}" for field in fields(CallPolicy) if field.default is not None)


def _example(backend: StarterBackend, settings: Settings) -> str:
    """Return the table of a model by a name of one's own."""
    family = backend.families[0]
    known = backend.model(family, settings)
    lines = {
        "family": family.value,
        "backend": backend.name,
        "model_id": settings.resolve_model(known, family=family).model_id if known else ANY_MODEL,
    }
    return "\n".join(
        (f"[models.{quoted(f'my-{backend.name}')}]", *(f"{key} = {json.dumps(value)}" for key, value in lines.items()))
    )

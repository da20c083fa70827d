"""The repository of a new plugin: rendered as text, then put in place whole or not at all.

Under ``templates/``, ``repository/`` is what every plugin gets, ``family/<family>/`` what it gets for a family, and
``part/`` what stands in another file once for each family. A path may hold ``__package__`` and ``__sdk_module__``; a
text has ``$name`` or ``${name}`` where a name goes, and ``$$`` for the dollar sign.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pipelex.exceptions import OutputFileError
from pipelex.generated.families import FAMILIES
from pipelex.plugins.contract import PLUGIN_API_VERSION
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.spi.call_shapes import LIST_MODELS, MAKE_WORKER, import_block, shipped_call_shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipelex.scaffold.host import Host
    from pipelex.scaffold.names import PluginNames

TEMPLATES = Path(__file__).with_name("templates")
_ENDING = ".tmpl"


def render(names: PluginNames, families: Iterable[InferenceFamily], host: Host) -> dict[str, str]:
    """Render every file of the repository.

    Args:
        names: The names in it.
        families: The families that the plugin is to serve; their order does not matter.
        host: The Pipelex that it is developed against.

    Returns:
        The text of each file by its path in the repository, in the order of the paths.
    """
    wanted = [family for family in InferenceFamily if family in set(families)]
    values = {**names._asdict(), **_host_values(host), **_family_values(names, wanted)}
    sources = [TEMPLATES / "repository", *(TEMPLATES / "family" / family.value for family in wanted)]
    found = [(path.relative_to(source), path) for source in sources for path in source.rglob(f"*{_ENDING}")]
    texts = {
        _in_path(relative.as_posix(), names): _substitute(path, values)
        for relative, path in found
        if len(relative.parts) > 1 or path.parent.name == "repository"
    }
    return dict(sorted(texts.items()))


def write(folder: Path, texts: Mapping[str, str]) -> None:
    """Write the files into a new folder, which appears whole or not at all.

    Args:
        folder: The repository's folder, which must not exist; the one around it must.
        texts: The text of each file by its path.

    Raises:
        OutputFileError: The folder exists, or cannot be written.
    """
    from pipelex.spi.files import WriteError, file_set

    refuse_existing(folder)
    try:
        with file_set(folder.parent) as files:
            files.add_folder(folder, {name: text.encode() for name, text in texts.items()})
            refuse_existing(folder)
            files.commit()
    except WriteError as exc:
        raise OutputFileError(file=str(exc.file), reason=f"it cannot be written: {exc.reason}") from exc


def refuse_existing(folder: Path) -> None:
    """Refuse a folder that exists, be it empty.

    Raises:
        OutputFileError: It exists.
    """
    if os.path.lexists(folder):
        raise OutputFileError(
            file=str(folder), reason="it exists already. Move it away, choose another name, or another --dir"
        )


def _host_values(host: Host) -> dict[str, str]:
    requirement = host.requirement
    return {
        "api_version": str(PLUGIN_API_VERSION),
        "host_for_group": f'"{requirement}"' if requirement is not None else "",
        "host_for_ci": "" if requirement is None or host.is_on_this_machine else requirement.replace("'", "''"),
    }


def install_command(names: PluginNames, host: Host) -> str:
    """Return the command that installs a plugin from its folder, with its extra, beside the host and the tools."""
    return f"python -m pip install -e '.[{names.name}]' {host.pip_arguments}mypy pytest ruff"


def _family_values(names: PluginNames, families: list[InferenceFamily]) -> dict[str, str]:
    """Render what stands in a shared file once for each family."""
    shapes = _shape_values()
    each = [{**names._asdict(), **shapes, **_facts_of(family)} for family in families]

    def parts(name: str) -> str:
        return "".join(_substitute(TEMPLATES / "part" / name, values) for values in each).rstrip("\n")

    protocols = [TEMPLATES / "family" / family.value / f"protocol.md{_ENDING}" for family in families]
    return {
        **shapes,
        "closures": f"{parts(f'closure.py{_ENDING}')}\n",
        "registrations": parts(f"registration.py{_ENDING}"),
        "backend_tables": parts(f"backend_table.toml{_ENDING}"),
        "family_rows": parts(f"family_row.md{_ENDING}"),
        "family_members": ", ".join(f"InferenceFamily.{family.name}" for family in families),
        "families_in_words": ", ".join(FAMILIES[family].words for family in families),
        "protocols": "".join(path.read_text(encoding="utf-8") for path in protocols).rstrip("\n"),
    }


def _shape_values() -> dict[str, str]:
    """Return the signatures of a plugin's callables, and the imports of the module that defines them."""
    make_worker, lister = shipped_call_shape(MAKE_WORKER), shipped_call_shape(LIST_MODELS)
    return {
        "make_worker_parameters": make_worker.lines(),
        "make_worker_returns": make_worker.returns,
        "lister_parameters": lister.lines(),
        "lister_returns": lister.returns,
        "contract_imports": import_block(make_worker, lister, "pipelex.plugins.registrar:PluginRegistrar", indent=4),
    }


def _facts_of(family: InferenceFamily) -> dict[str, str]:
    facts = FAMILIES[family]
    capabilities = TEMPLATES / "family" / family.value / f"capabilities.toml{_ENDING}"
    return {
        "family": family.value,
        "family_member": family.name,
        "family_class": facts.class_part,
        "family_words": facts.words,
        "capabilities": capabilities.read_text(encoding="utf-8").rstrip("\n"),
    }


def _in_path(path: str, names: PluginNames) -> str:
    path = path.removesuffix(_ENDING)
    return path.replace("__package__", names.package).replace("__sdk_module__", names.sdk_module)


def _substitute(path: Path, values: Mapping[str, str]) -> str:
    from string import Template

    return Template(path.read_text(encoding="utf-8")).substitute(values)

"""spi.toml, the package's extras, the drivers' folders, the catalogue and the docs agree, both ways."""

from __future__ import annotations

import ast
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pipelex.config.settings import Settings
from pipelex.config.toml_file import TomlFile
from pipelex.exceptions import UnknownModelError
from pipelex.plugins.inference_backend_registry import InferenceFamily
from tests.architecture.tree import PROJECT, ROOT, SPEC, SRC

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PACKAGE = SRC / "pipelex"
BUILTINS: list[dict[str, Any]] = SPEC["builtin"]
OTHER_EXTRAS = frozenset(SPEC.get("extras", {}))
"""Extras that bring something else than a built-in's SDK."""

EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
BASE: list[str] = PROJECT["project"]["dependencies"]


def disagreements_about_extras(builtins: list[dict[str, Any]], extras: Mapping[str, list[str]]) -> list[str]:
    """Return each requirement or extra that one side states and the other does not."""
    wanted: dict[str, set[str]] = {}
    for builtin in builtins:
        if "extra" in builtin:
            wanted.setdefault(builtin["extra"], set()).update(_requirements(builtin))
    found = []
    for name in sorted({*wanted, *extras} - OTHER_EXTRAS):
        in_spec, in_package = wanted.get(name, set()), set(extras.get(name, ()))
        found += [f"extra {name}: {requirement} is not in the package" for requirement in sorted(in_spec - in_package)]
        found += [f"extra {name}: no row requires {requirement}" for requirement in sorted(in_package - in_spec)]
    return found


def _requirements(builtin: dict[str, Any]) -> Iterator[str]:
    return (required["requirement"] for required in builtin.get("requires", ()))


def disagreements_about_folders(builtins: list[dict[str, Any]], folders: set[str]) -> set[str]:
    """Return each driver's folder that no row names, and each that is named but not there."""
    named = {target.partition(".")[0] for builtin in builtins for target in _targets(builtin)}
    return named ^ folders


def _targets(builtin: dict[str, Any]) -> Iterator[str]:
    yield from (row["worker"] for row in builtin.get("workers", ()))
    yield from (row["run"] for row in builtin.get("commands", ()))
    if "client" in builtin:
        yield builtin["client"]
    if "lister" in builtin:
        yield builtin["lister"]["list"]


def registered_backends() -> set[tuple[str, str]]:
    """Return each (family, sdk) of spi.toml; the family by its value."""
    values = {family["name"]: family["value"] for family in SPEC["family"]}
    return {(values[row["family"]], row["sdk"]) for builtin in BUILTINS for row in builtin["workers"]}


def packaged_settings(extra: str = "") -> Settings:
    """Return the packaged configuration alone, with some lines on top of the catalogue."""
    files = [TomlFile.read(path) for path in sorted((PACKAGE / "config" / "defaults").glob("*.toml"))]
    if extra:
        files.append(TomlFile.parse(ROOT / "planted" / "models.toml", extra.encode()))
    return Settings(files)


def unserved_models(settings: Settings) -> list[str]:
    """Return the models of the catalogue whose (family, sdk) no built-in registers."""
    served = registered_backends()
    return [model.name for model in settings.models() if (model.family.value, model.sdk) not in served]


def test_every_requirement_of_a_builtin_is_in_its_extra_and_every_extra_is_of_a_builtin() -> None:
    assert [] == disagreements_about_extras(BUILTINS, EXTRAS)


def test_a_builtin_without_an_extra_rests_on_base_dependencies() -> None:
    bare = [builtin for builtin in BUILTINS if "extra" not in builtin]
    assert bare
    assert [] == [line for builtin in bare for line in _requirements(builtin) if line not in BASE]


def test_disagreeing_extras_are_found() -> None:
    row = {"name": "acme", "extra": "acme", "requires": [{"import": "acme", "requirement": "acme>=2"}]}
    assert ["extra acme: acme>=2 is not in the package"] == disagreements_about_extras([row], {})
    assert [
        "extra acme: acme>=2 is not in the package",
        "extra acme: no row requires acme>=1",
    ] == disagreements_about_extras([row], {"acme": ["acme>=1"]})
    assert ["extra left: no row requires over"] == disagreements_about_extras([], {"left": ["over"]})


def test_every_driver_folder_is_of_a_row_and_every_row_has_its_folder() -> None:
    folders = {path.parent.name for path in PACKAGE.glob("providers/*/__init__.py")}
    assert set() == disagreements_about_folders(BUILTINS, folders)
    row = {"workers": [{"worker": "acme.llm:AcmeLLMWorker"}], "client": "other.client:make_client"}
    assert {"left_over", "other"} == disagreements_about_folders([row], {"acme", "left_over"})


def test_what_a_row_points_at_is_there() -> None:
    for builtin in BUILTINS:
        for target in _targets(builtin):
            module, _, name = target.partition(":")
            path = PACKAGE.joinpath("providers", *module.split(".")).with_suffix(".py")
            assert re.search(rf"^(class|def|async def) {name}\b", path.read_text(encoding="utf-8"), re.MULTILINE)


def test_every_model_of_the_catalogue_is_served_by_a_builtin() -> None:
    assert [] == unserved_models(packaged_settings())


def test_a_model_that_no_builtin_serves_is_found() -> None:
    planted = '[models.planted]\nfamily = "search"\nbackend = "pypdfium2"\nsdk = "nobody"\n'
    assert ["planted"] == unserved_models(packaged_settings(planted))


def test_every_family_of_a_builtin_is_reached_from_the_packaged_defaults() -> None:
    """By a model of the catalogue, or as backend/model-id; a second sdk of one vendor is chosen in the user's file."""
    settings = packaged_settings()
    reached = {(model.family.value, model.sdk) for model in settings.models()}
    for name in settings.backend_names():
        for family in InferenceFamily:
            with suppress(UnknownModelError):
                reached.add((family.value, settings.resolve_model(f"{name}/any", family=family).sdk))
    served = {(builtin["name"], row["family"]) for builtin in BUILTINS for row in builtin["workers"]}
    values = {family["name"]: family["value"] for family in SPEC["family"]}
    assert served == {
        (builtin["name"], row["family"])
        for builtin in BUILTINS
        for row in builtin["workers"]
        if (values[row["family"]], row["sdk"]) in reached
    }


def test_the_default_models_are_in_the_catalogue() -> None:
    settings = packaged_settings()
    names = {model.name: model.family for model in settings.models()}
    defaults = {family: settings.default_model(family) for family in names.values()}
    assert defaults
    assert [] == [family for family, name in defaults.items() if name is not None and names.get(name) != family]


def test_the_family_enum_is_the_one_of_the_spec() -> None:
    assert {family["name"]: family["value"] for family in SPEC["family"]} == {
        family.name: family.value for family in InferenceFamily
    }


def test_the_api_version_and_the_entry_point_group_are_those_of_the_spec() -> None:
    from pipelex.plugins.contract import PLUGIN_API_VERSION
    from pipelex.plugins.installed import ENTRY_POINT_GROUP

    assert SPEC["api_version"] == PLUGIN_API_VERSION
    assert SPEC["entry_point_group"] == ENTRY_POINT_GROUP


def documented_symbols(page: str) -> set[str]:
    """Return the published symbols that a page's tables list, each under the heading of its module."""
    sections = re.split(r"^### `(pipelex[\w.]*)`$", page, flags=re.MULTILINE)[1:]
    tables = zip(sections[::2], (section.partition("\n## ")[0] for section in sections[1::2]), strict=True)
    return {f"{module}:{name}" for module, table in tables for name in re.findall(r"^\| `(\w+)` ", table, re.MULTILINE)}


def test_the_page_of_the_spi_lists_what_is_published() -> None:
    page = (ROOT / "docs" / "spi.md").read_text(encoding="utf-8")
    assert set(SPEC["symbols"]) == documented_symbols(page)
    assert set(SPEC["symbols"]) - {"pipelex.plugins.contract:PLUGIN_API_VERSION"} == documented_symbols(
        page.replace("| `PLUGIN_API_VERSION` ", "| ")
    )


def test_the_page_of_the_spi_lists_every_builtin_and_every_extra() -> None:
    page = (ROOT / "docs" / "spi.md").read_text(encoding="utf-8")
    for builtin in BUILTINS:
        assert f"| `{builtin['name']}` | {builtin['title']} |" in page
    for name, requirements in EXTRAS.items():
        brings = "see pyproject.toml" if name in OTHER_EXTRAS else ", ".join(f"`{line}`" for line in requirements)
        assert f"| `{name}` | {brings} |" in page


def declared_on(page: str) -> dict[tuple[str, str], set[str]]:
    """Return what a page's tables say that a backend declares in a family, by the family's name and its own."""
    found = {}
    for name, section in re.findall(r"^### ([A-Z_]+)\n(.*?)(?=^##)", page, re.MULTILINE | re.DOTALL):
        head, _, *rows = [[cell.strip() for cell in line[1:-1].split("|")] for line in section.strip().splitlines()]
        for backend, _, *cells in rows:
            if backend != "-":
                declared = [text for text, cell in zip(head[2:], cells, strict=True) if cell == "yes"]
                found[name, backend.strip("`")] = {text.replace(" ", "_") for text in declared}
    return found


def declared_by_settings(settings: Settings) -> dict[tuple[str, str], set[str]]:
    """Return what each backend declares in each family that it serves."""
    found = {}
    for name in settings.backend_names():
        for family in InferenceFamily:
            with suppress(UnknownModelError):
                spec = settings.resolve_model(f"{name}/any", family=family)
                found[family.name, name] = {capability.value for capability in spec.capabilities}
    return found


def test_the_page_of_the_providers_says_what_each_backend_declares() -> None:
    page = (ROOT / "docs" / "providers.md").read_text(encoding="utf-8")
    assert declared_by_settings(packaged_settings()) == declared_on(page)
    assert declared_by_settings(packaged_settings()) != declared_on(page.replace("| yes |", "| - |", 1))


def test_the_page_of_the_errors_lists_every_error() -> None:
    modules = ("exceptions.py", "plugins/exceptions.py", "cogt/exceptions.py", "bulk/exceptions.py")
    classes = [node for name in modules for node in ast.parse((PACKAGE / name).read_text(encoding="utf-8")).body]
    errors = {node.name for node in classes if isinstance(node, ast.ClassDef) and node.name.endswith("Error")}
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    assert errors == set(re.findall(r"^### (\w+Error)$", page, re.MULTILINE))

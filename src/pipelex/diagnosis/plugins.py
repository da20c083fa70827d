"""The plugins, external and built-in, as far as they can be known without importing any of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.config.plugins_config import name_on_denylist
from pipelex.diagnosis.report import BuiltinPlugin, Claim, ExternalPlugin, Finding
from pipelex.plugins.contract import PLUGIN_API_VERSION
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.plugins.installed import ENTRY_POINT_GROUP, distributions_in_use, installed_plugins
from pipelex.plugins.registrar import CORE_COMMANDS
from pipelex.reading.metadata import Declaration, installed_metadata, near_groups
from pipelex.reading.modules import InstalledModules, locate
from pipelex.reading.place import UnreadableError
from pipelex.reading.plugin_code import PluginCode, wrong_name
from pipelex.spi.names import canonical

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from pipelex.plugins.installed import InstalledPlugin
    from pipelex.reading.plugin_code import Contribution
    from pipelex.spi.lock import LockedBuiltin

_DENYLIST = "disabled under [plugins] in .pipelex/pipelex.toml"


def external_plugins(
    disabled: Collection[str], builtins: Sequence[BuiltinPlugin]
) -> tuple[list[ExternalPlugin], list[Finding]]:
    """Look at what installed distributions announce.

    Args:
        disabled: The denylist.
        builtins: The built-in plugins.

    Returns:
        The plugins, and what is wrong with them.
    """
    denied = {canonical(name) for name in disabled}
    plugins, findings = [], []
    announced = installed_plugins()
    for installed in announced:
        others = [*(one.name for one in builtins), *(one.name for one in announced if one is not installed)]
        plugin = ExternalPlugin(
            name=installed.name,
            distribution=installed.distribution,
            version=installed.version,
            name_on_denylist=name_on_denylist([installed.name], others),
        )
        faults = list(_look_at(plugin, installed))
        plugin.is_disabled = any(canonical(name) in denied for name in plugin.names)
        plugins.append(plugin)
        if not plugin.is_disabled:  # what does not take part is wrong for nobody
            findings += faults
    return plugins, findings


def _look_at(plugin: ExternalPlugin, installed: InstalledPlugin) -> Iterator[Finding]:
    """Fill in what the metadata and the source say; yield what is wrong."""
    if installed.entry_point is None:
        yield _finding("broken_metadata", plugin, installed.fault or "its metadata cannot be read")
        return
    plugin.entry_point = installed.entry_point.value
    where = locate(installed.entry_point.module)
    if where.is_missing:
        yield _finding("missing_module", plugin, f"there is no module '{installed.entry_point.module}'")
    plugin.file = str(where.file) if where.file is not None else None
    if where.file is None or where.file.suffix != ".py":
        return
    try:
        yield from _read_source(plugin, Declaration(plugin.name, *installed.entry_point))
    except UnreadableError as exc:
        yield _finding("broken_source", plugin, f"its module cannot be read: {exc.reason}", exc.line)


def installed_faults(plugins: Sequence[ExternalPlugin]) -> Iterator[Finding]:
    """Yield what is wrong with the metadata of installed distributions, where nothing of a plugin has to be read.

    Args:
        plugins: The external plugins.
    """
    enabled = {canonical(plugin.distribution) for plugin in plugins if not plugin.is_disabled}
    for dist in distributions_in_use():
        try:
            groups = {entry.group for entry in dist.entry_points}
            if ENTRY_POINT_GROUP not in groups and not near_groups(groups):
                continue  # hundreds are no plugin: reading the list of files of each takes most of a second
            metadata = installed_metadata(dist)
        except Exception:  # noqa: S112 - third-party metadata can fail in any way; a plugin's is reported above
            continue
        for group in near_groups(metadata.groups):
            message = f"distribution {metadata.name} declares '{group}', an entry-point group without effect"
            fix = f'declare its plugin under [project.entry-points."{ENTRY_POINT_GROUP}"], and install it again'
            yield Finding("near_group", metadata.name, message, fix, str(metadata.file))
        if canonical(metadata.name) in enabled:
            for requirement in metadata.host_requirements:
                message = f"distribution {metadata.name} requires '{requirement.text}': on the public index that is"
                message += " another project, which takes the place of this one when it is installed"
                fix = f"take the requirement out of {metadata.name}: a plugin finds pipelex where it is installed"
                yield Finding("requires_pipelex", metadata.name, message, fix, str(metadata.file))


def _read_source(plugin: ExternalPlugin, entry: Declaration) -> Iterator[Finding]:
    """Fill in what the code states, read as the check reads it; yield what loading would fail of."""
    modules = InstalledModules(entry.module.partition(".")[0])
    code = PluginCode(plugin.distribution, modules, [entry])
    [found] = code.plugins
    name = code.stated_name(found)
    plugin.own_name = name if isinstance(name, str) and name not in ("", plugin.name) else None
    if wrong := wrong_name(name):
        yield _finding("bad_name", plugin, wrong, found.place.line)
    contributions, plugin.are_claims_complete = code.stated_contributions(found)
    claims = [_claim(one) for one in contributions]
    plugin.claims = tuple(claim for claim in claims if claim is not None)
    plugin.are_claims_complete = plugin.are_claims_complete and None not in claims
    guards = code.guards(modules.values())
    plugin.sdks = tuple(dict.fromkeys((guard.spec, guard.extra) for guard in guards if guard.spec and guard.extra))
    if found.problem:
        yield _finding("no_plugin", plugin, f"its entry point names no plugin: {found.problem}", found.place.line)
    api = code.stated_api(found)
    if api is None:
        return
    if api.follows:
        plugin.targets_api_note = "whatever is installed (PLUGIN_API_VERSION)"
    elif type(api.value) is int:
        plugin.targets_api, plugin.targets_api_note = api.value, "a literal"
    elif api.value is not None:
        plugin.targets_api_note = f"{api.value!r}, which is no int"
    problem = api.problem(PLUGIN_API_VERSION)
    if problem:
        message = f"{problem}; this installation supports {PLUGIN_API_VERSION}"
        yield _finding("api_mismatch", plugin, message, api.place.line)


def _claim(contribution: Contribution) -> Claim | None:
    """Return a contribution as it is reported; ``None`` where its keys are not literals."""
    if not contribution.is_known:
        return None
    match contribution.kind:
        case "backend":
            family = InferenceFamily.__members__.get(contribution.family)
            return Claim("inference_backend", family.value, contribution.sdk) if family is not None else None
        case "lister":
            return Claim("model_lister", sdk=contribution.sdk)
    return Claim("command", name=contribution.name)


def _finding(kind: str, plugin: ExternalPlugin, message: str, line: int | None = None) -> Finding:
    fix = f"correct it, or {_way_without(plugin)}"
    return Finding(kind, plugin.name, f"plugin {plugin.label}: {message}", fix, plugin.file, line)


def _way_without(plugin: ExternalPlugin) -> str:
    """Return what gets rid of a plugin and of no other."""
    import json

    uninstall = f"pip uninstall {plugin.distribution}"
    if plugin.name_on_denylist is None:
        return uninstall
    return f"{uninstall}, or add {json.dumps(plugin.name_on_denylist, ensure_ascii=False)} to {_DENYLIST}"


def builtin_plugins(rows: Sequence[LockedBuiltin], disabled: Collection[str]) -> list[BuiltinPlugin]:
    """Look at the built-in plugins, as the lock has them, and at what they need.

    Args:
        rows: The lock's rows.
        disabled: The denylist.
    """
    denied = {canonical(name) for name in disabled}
    return [_builtin(row, is_disabled=canonical(row.name) in denied) for row in rows]


def _builtin(row: LockedBuiltin, *, is_disabled: bool) -> BuiltinPlugin:
    missing = tuple(name for name in row.imports if locate(name).is_missing)
    return BuiltinPlugin(
        name=row.name,
        is_disabled=is_disabled,
        is_core_unconditional=row.core_unconditional,
        claims=(
            *(Claim("inference_backend", *key.split("/", 1)) for key in row.backends),
            *(Claim("model_lister", sdk=sdk) for sdk in row.listers),
            *(Claim("command", name=name) for name in row.commands),
        ),
        extra=row.extra,
        requirements=row.requirements,
        missing=missing,
        install=_install(row, missing) if missing else None,
    )


def _install(row: LockedBuiltin, missing: Sequence[str]) -> str:
    if row.extra is None:
        return "pip install " + " ".join(f"'{requirement}'" for requirement in row.requirements)
    return install_line(missing[0], row.extra)


def install_line(dependency_name: str, extra_name: str) -> str:
    """Return the command that installs a missing package, or a sentence where no command is known."""
    from pipelex.install_hint import install_hint

    hint = install_hint(dependency_name=dependency_name, extra_name=extra_name)
    return hint.rpartition("Install it: ")[2]


def missing_sdks(plugin: ExternalPlugin) -> Iterator[tuple[str, str]]:
    """Yield the packages that a plugin guards and that are not installed, each with the extra that brings it."""
    return ((spec, extra) for spec, extra in plugin.sdks if locate(spec).is_missing)


def conflicts(plugins: Sequence[ExternalPlugin], builtins: Sequence[BuiltinPlugin]) -> Iterator[Finding]:
    """Yield each name or key that two enabled plugins claim."""
    holders: dict[tuple[str, object], str] = {("command", name): "the command line itself" for name in CORE_COMMANDS}
    for builtin in builtins:
        if not builtin.is_disabled:
            holders |= dict.fromkeys(_keys(builtin.name, builtin.claims), f"the built-in plugin '{builtin.name}'")
    for plugin in plugins:
        if plugin.is_disabled:
            continue
        for key in _keys(plugin.own_name or plugin.name, plugin.claims):
            if key in holders and holders[key] != plugin.label:
                yield _conflict(key, holders[key], plugin)
            else:
                holders[key] = plugin.label


def _keys(name: str, claims: Sequence[Claim]) -> Iterator[tuple[str, object]]:
    yield "plugin", canonical(name)
    for claim in claims:
        yield claim.kind, claim.name if claim.kind == "command" else claim


def _conflict(key: tuple[str, object], holder: str, plugin: ExternalPlugin) -> Finding:
    kind, what = key
    noun = {"plugin": "the plugin name", "command": "the command", "inference_backend": "the backend"}.get(kind, "")
    taken = f"{noun} {what}".strip()
    message = f"two claims on {taken}: {holder} and plugin {plugin.label}"
    return Finding("conflict", plugin.name, message, _way_without(plugin), plugin.file)


def denylist_findings(
    disabled: Sequence[str], plugins: Sequence[ExternalPlugin], builtins: Sequence[BuiltinPlugin]
) -> Iterator[Finding]:
    """Yield each name of the denylist that no plugin bears, or that may not stand there."""
    from difflib import get_close_matches

    known = {canonical(name): name for plugin in plugins for name in plugin.names}
    known |= {canonical(builtin.name): builtin.name for builtin in builtins}
    unconditional = {canonical(builtin.name) for builtin in builtins if builtin.is_core_unconditional}
    for name in disabled:
        if canonical(name) in unconditional:
            message = f"plugins.disabled names '{name}', without which nothing runs"
            yield Finding("disabled_core_plugin", name, message, f'take "{name}" out of {_DENYLIST}')
        elif canonical(name) not in known:
            near = next(iter(get_close_matches(canonical(name), known, n=1)), None)
            fix = f'write "{known[near]}"' if near is not None else f'take "{name}" out of {_DENYLIST}'
            message = f"plugins.disabled names '{name}', which no plugin is known to bear"
            yield Finding("unknown_disabled", name, message, fix)

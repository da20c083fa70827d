"""PX4xx: entry points, names, versions, extras and requirements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.checking.examples import PLUGIN, PYPROJECT, closures, plugin, pyproject
from pipelex.checking.rules.rule import Rule
from pipelex.checking.spi_tree import lock
from pipelex.installation import DISTRIBUTION
from pipelex.plugins.installed import ENTRY_POINT_GROUP
from pipelex.plugins.registrar import CORE_COMMANDS
from pipelex.reading.metadata import dotted, near_groups
from pipelex.reading.plugin_code import wrong_api
from pipelex.spi.names import IDENTIFIER_RULE, canonical, is_identifier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.subject import Subject
    from pipelex.reading.metadata import Metadata
    from pipelex.reading.place import Place
    from pipelex.reading.plugin_code import Plugin
    from pipelex.reading.source import SourceModule


def _check_entry_point_group(rule: Rule, subject: Subject) -> Iterator[Finding]:
    metadata = subject.target.metadata
    if metadata is None:
        return
    near = near_groups(metadata.groups)
    for name in near:
        yield _no_group(rule, metadata, name)
    if metadata.groups.get(ENTRY_POINT_GROUP) or near:
        return
    misplaced = metadata.misplaced_groups
    for path in misplaced:
        message = f"no plugin is looked for in the table [{dotted(path)}]"
        yield rule.finding(metadata.place(keys=path), message)
    others = [name for name in metadata.groups if name != ENTRY_POINT_GROUP and name.lower().startswith(DISTRIBUTION)]
    if not misplaced:
        for name in others:
            yield _no_group(rule, metadata, name)
    if not misplaced and not others:
        message = f"the project declares no entry point in the group '{ENTRY_POINT_GROUP}'"
        keys = (*metadata.groups_at, ENTRY_POINT_GROUP) if ENTRY_POINT_GROUP in metadata.groups else ()
        yield rule.finding(metadata.place("[project", keys=keys), message)


def _no_group(rule: Rule, metadata: Metadata, name: str) -> Finding:
    place = metadata.place(name, keys=(*metadata.groups_at, name))
    return rule.finding(place, f"no plugin is looked for in the entry-point group '{name}'")


WRONG_ENTRY_POINT_GROUP = Rule(
    id="PX401",
    name="entry-point-group",
    reason="A plugin is found through its entry point. Declared in another group, it is installed and never seen.",
    expected='[project.entry-points."pipelex.plugins"] with a line: name = "module:PluginClass"',
    fix='Declare the plugin under [project.entry-points."pipelex.plugins"] in pyproject.toml.',
    positive=pyproject('"pipelex.plugins"', '"pipelex.plugin"'),
    near_miss=pyproject(
        '[project.entry-points."pipelex.plugins"]',
        '[project.entry-points."acme.plugins"]\nother = "my_pkg.closures"\n\n[project.entry-points."pipelex.plugins"]',
    ),
    check=_check_entry_point_group,
)


def _check_no_plugin(rule: Rule, subject: Subject) -> Iterator[Finding]:
    for one in subject.plugins:
        failed = [line for line in subject.sandbox.of("failed", one.index) if line["step"] == "entry point"]
        if one.problem:
            yield rule.finding(one.entry.place or one.place, f"the entry point names no plugin: {one.problem}")
        elif failed:
            message = f"the entry point names no plugin: {failed[0]['error']}: {failed[0]['message']}"
            yield rule.finding(one.entry.place or one.place, message)


NO_PLUGIN = Rule(
    id="PX402",
    name="no-plugin",
    reason=(
        "The entry point has to name a plugin, or what makes one when it is called without arguments: a class, or a "
        "factory. Anything else is reported as broken at every start."
    ),
    expected="module:attribute, of an object with name, targets_api and register, or of a zero-argument factory of one",
    fix="Correct the entry point, or what it names.",
    positive=pyproject("my_pkg.plugin:AcmePlugin", "my_pkg.closures:make_acme_worker"),
    near_miss={
        **pyproject("my_pkg.plugin:AcmePlugin", "my_pkg.factory:make_plugin"),
        "src/my_pkg/factory.py": (
            "from my_pkg.plugin import AcmePlugin\n\n\n"
            "def make_plugin(*, quiet: bool = True) -> AcmePlugin:\n    return AcmePlugin()\n"
        ),
    },
    check=_check_no_plugin,
)


def _check_name_spelling(rule: Rule, subject: Subject) -> Iterator[Finding]:
    for one in subject.plugins:
        name = _name(subject, one)
        if name is None:
            continue
        member = subject.member(one, "name")
        place = member[0].place(member[1]) if member else one.place
        if not isinstance(name, str) or not is_identifier(name):
            yield rule.finding(place, f"{name!r} is no plugin name", expected=IDENTIFIER_RULE)
        elif one.entry.name and canonical(one.entry.name) != canonical(name):
            message = f"the plugin is called '{name}', and its entry point '{one.entry.name}'"
            covers = f"Two plugins are called '{canonical(name)}'"
            yield rule.finding(place, message, expected=f'name = "{one.entry.name}"', covers=(covers,))


NAME_SPELLING = Rule(
    id="PX403",
    name="name-spelling",
    reason=(
        "Who wants to disable a plugin names it, by its own name or by its entry point's. When the two differ, half of "
        "the messages name what the other half does not know. '-', '_' and '.' are one spelling."
    ),
    expected="one name",
    fix="Give the plugin and its entry point the same name, in lower case.",
    positive=plugin('name = "acme"', 'name = "acme_llm"'),
    near_miss={
        **plugin('name = "acme"', 'name = "acme_llm"'),
        "pyproject.toml": (
            '[project]\nname = "my-plugin"\nversion = "0.1.0"\n\n[project.optional-dependencies]\n'
            'acme = ["acme-sdk>=1"]\n\n'
            '[project.entry-points."pipelex.plugins"]\nacme-llm = "my_pkg.plugin:AcmePlugin"\n'
        ),
    },
    check=_check_name_spelling,
)


def _check_wrong_targets_api(rule: Rule, subject: Subject) -> Iterator[Finding]:
    wanted = subject.spi.api_version
    for one in subject.plugins:
        stated = subject.stated_api(one)
        if stated is not None and stated.follows:
            continue  # PLUGIN_API_VERSION: whatever version it meets
        seen = subject.sandbox.of("plugin", one.index)
        problem = stated.problem(wanted) if stated is not None else ""
        if seen:
            value, is_int = seen[0]["targets_api"], seen[0]["is_int"]
            problem = wrong_api(value, is_int=is_int, wanted=wanted)
        if problem:
            place = stated.place if stated is not None else one.place
            message = f"{problem}; it is checked against version {wanted}"
            yield rule.finding(place, message, expected=f"targets_api = {wanted}")


WRONG_TARGETS_API = Rule(
    id="PX404",
    name="wrong-targets-api",
    reason="targets_api has to equal the version of the plugin API that the plugin is written against, as one integer.",
    expected="the version that the plugin is checked against",
    fix="Set targets_api to the version that the plugin is written for, or check it against that one with --api.",
    positive=plugin("targets_api = 1", "targets_api = 2"),
    near_miss=plugin("targets_api = 1", "targets_api: int = 1"),
    check=_check_wrong_targets_api,
)


def _check_targets_api_floats(rule: Rule, subject: Subject) -> Iterator[Finding]:
    for one in subject.plugins:
        stated = subject.stated_api(one)
        if stated is not None and stated.follows:
            message = "targets_api is PLUGIN_API_VERSION, so the version gate lets this plugin pass in any version"
            yield rule.finding(stated.place, message, expected=f"targets_api = {subject.spi.api_version}")


TARGETS_API_FLOATS = Rule(
    id="PX405",
    name="targets-api-floats",
    severity="note",
    reason=(
        "'targets_api = PLUGIN_API_VERSION' is legal, and fits whatever is installed. The gate then never stops "
        "the plugin, not even where a later version has taken away what it uses. A literal is what lets the gate work."
    ),
    expected="an integer literal",
    fix="Write the number of the version that the plugin was written for.",
    positive={
        "src/my_pkg/plugin.py": "from pipelex.plugins.contract import PLUGIN_API_VERSION\n"
        + PLUGIN.replace("targets_api = 1", "targets_api = PLUGIN_API_VERSION")
    },
    near_miss={
        "src/my_pkg/plugin.py": PLUGIN.replace("targets_api = 1", "targets_api = API_VERSION").replace(
            "\n\nclass", "\nAPI_VERSION = 1\n\n\nclass"
        )
    },
    check=_check_targets_api_floats,
)


def _check_extra_missing(rule: Rule, subject: Subject) -> Iterator[Finding]:
    target = subject.target
    for place, spec, extra in _guards(subject):
        if target.builtin is not None:
            yield from _check_builtin(subject, place, spec, extra)
        elif target.metadata is not None and extra is not None:
            extras = target.metadata.extras
            if canonical(extra) not in extras:
                there = ", ".join(sorted(extras)) or "none"
                message = f"'{spec}' is to come with the extra '{extra}', which the distribution does not have"
                yield rule.finding(place, message, expected=f"one of its extras ({there})")
            elif not extras[canonical(extra)] and not _is_own(subject, spec):
                message = f"'{spec}' is to come with the extra '{extra}', which brings nothing"
                yield rule.finding(place, message)


def _is_own(subject: Subject, spec: str | None) -> bool:
    """Return whether the distribution itself brings what is guarded, as a stand-in for an SDK that is yet to come."""
    top = (spec or "").partition(".")[0]
    return any(name.partition(".")[0] == top for name in subject.target.modules)


def _check_builtin(subject: Subject, place: Place, spec: str | None, extra: str | None) -> Iterator[Finding]:
    row = subject.target.builtin
    if row is not None and (spec not in row.imports or extra != row.extra):
        message = f"the guard of '{spec}' with the extra '{extra}' is not in the row of '{row.name}'"
        yield EXTRA_MISSING.finding(place, message, expected=f"{', '.join(row.imports)} with the extra '{row.extra}'")


def _guards(subject: Subject) -> Iterator[tuple[Place, str | None, str | None]]:
    """Yield each guard of the target's own code with what it guards, as far as that can be read."""
    for guard in subject.guards(subject.modules):
        spans = _spans(subject, guard.module)
        if spans is None or any(guard.node.lineno in span for span in spans):
            yield guard.module.place(guard.node), guard.spec, guard.extra


def _spans(subject: Subject, module: SourceModule) -> list[range] | None:
    """Return the lines of the functions that a built-in registers: its module holds those of the others, too."""
    if subject.target.builtin is None:
        return None
    functions = [one.function for one in subject.contributions if one.module is module and one.function is not None]
    return [range(function.lineno, (function.end_lineno or function.lineno) + 1) for function in functions]


EXTRA_MISSING = Rule(
    id="PX406",
    name="extra-missing",
    reason=(
        "A user without the SDK is asked to install the extra that require_sdk names. An extra that does not exist "
        "leaves them with a command that installs nothing."
    ),
    expected="an extra under [project.optional-dependencies] that brings the SDK",
    fix=(
        "Add the extra to pyproject.toml, or correct the name in require_sdk; where the SDK is a plain dependency, "
        "take require_sdk out."
    ),
    positive=closures('extra="acme"', 'extra="acme-sdk"'),
    near_miss=closures('extra="acme"', 'extra="ACME"'),
    check=_check_extra_missing,
)


def _check_collision(rule: Rule, subject: Subject) -> Iterator[Finding]:
    if subject.target.builtin is not None:
        return
    rows = lock().builtins
    backends = {(family.lower(), sdk): row.name for row in rows for family, _, sdk in map(_split, row.backends)}
    listers = {sdk: row.name for row in rows for sdk in row.listers}
    for one in subject.plugins:
        if is_of_builtin(subject, one):
            member = subject.member(one, "name")
            place = member[0].place(member[1]) if member else one.place
            yield rule.finding(place, f"the plugin's name '{_name(subject, one)}' is that of a built-in")
    commands = {**dict.fromkeys(CORE_COMMANDS, "pipelex"), **{name: row.name for row in rows for name in row.commands}}
    for made in subject.contributions:
        match made.kind:
            case "backend":
                what, holder = f"the backend ({made.family}, {made.sdk})", backends.get((made.family.lower(), made.sdk))
                covers = f"(family '{made.family.lower()}', sdk '{made.sdk}')"
            case "lister":
                what, holder = f"the lister of '{made.sdk}'", listers.get(made.sdk)
                covers = f"lister of sdk {made.sdk} "
            case _:
                what, holder = f"the command '{made.name}'", commands.get(made.name)
                covers = f"'pipelex {made.name}'"
        if holder is not None:
            whose = "pipelex itself" if holder == DISTRIBUTION else f"the built-in '{holder}'"
            yield rule.finding(made.call, f"{what} is that of {whose}", covers=(covers,))


def is_of_builtin(subject: Subject, plugin: Plugin) -> bool:
    """Return whether a plugin has the name of a built-in, in any spelling.

    Args:
        subject: What is checked.
        plugin: The plugin.
    """
    name = _name(subject, plugin)
    return isinstance(name, str) and canonical(name) in {canonical(row.name) for row in lock().builtins}


def _name(subject: Subject, plugin: Plugin) -> object:
    """Return the name of a plugin as its code states it, else as it had it in the sandbox; ``None`` where neither."""
    stated = subject.stated_name(plugin)
    seen = subject.sandbox.of("plugin", plugin.index)
    return stated if stated is not None or not seen else seen[0]["name"]


def _held(family: str, *others: str) -> str:
    """Return an sdk that a built-in holds in a family and in none of some others."""
    held = [key.partition("/") for row in lock().builtins for key in row.backends]
    elsewhere = {sdk for other, _, sdk in held if other in others}
    return max(sdk for other, _, sdk in held if other == family and sdk not in elsewhere)


def _split(key: str) -> tuple[str, str, str]:
    return key.partition("/")


_ORDER = '(family=InferenceFamily.LLM, sdk="acme", make_worker=make_acme_worker)'


COLLISION = Rule(
    id="PX407",
    name="collision",
    reason=(
        "A plugin's name, a (family, sdk) and a lister's sdk each name one thing. What a built-in holds cannot be "
        "taken over: the plugin would be broken wherever it is installed."
    ),
    expected="names of the plugin's own",
    fix="Choose another name; docs/spi.md lists what the built-ins hold. A family of its own makes another key.",
    positive=plugin(
        _ORDER, f"{_ORDER.replace('acme', _held('llm'), 1)}\n        registrar.add_inference_backend{_ORDER}"
    ),
    near_miss=plugin(
        _ORDER, f"{_ORDER.replace('acme', _held('extract', 'llm'), 1)}\n        registrar.add_inference_backend{_ORDER}"
    ),
    check=_check_collision,
)


def _check_requires_pipelex(rule: Rule, subject: Subject) -> Iterator[Finding]:
    metadata = subject.target.metadata
    if metadata is None:
        return
    for requirement in metadata.host_requirements:
        message = f"{requirement.table} requires '{requirement.text}'"
        yield rule.finding(metadata.place(requirement.text, keys=requirement.keys), message)
    for key in metadata.unknown:
        message = f"project.{key} is dynamic, so whether it requires pipelex is known only after a build"
        yield rule.finding(metadata.place("dynamic", keys=("project", "dynamic")), message, severity="note")


REQUIRES_PIPELEX = Rule(
    id="PX408",
    name="requires-pipelex",
    reason=(
        "The public index has another project by the name of pipelex. A requirement on it brings that project into the "
        "environment of everybody who installs the plugin. A plugin runs inside of pipelex, so it is always there."
    ),
    expected="no requirement on pipelex; in a dependency group, one by address: 'pipelex @ file:///path/to/the.whl'",
    fix="Take the requirement out. For your own tests, name the folder, wheel or repository in a dependency group.",
    positive=pyproject('["acme-sdk>=1"]', '["acme-sdk>=1", "PipeLex>=0.1"]'),
    near_miss={"pyproject.toml": f'{PYPROJECT}\n[dependency-groups]\ntest = ["pipelex @ file:///clones/pipelex"]\n'},
    check=_check_requires_pipelex,
)


_HATCHLING = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[tool.hatch.build.targets.wheel]
"""


def _check_not_shipped(rule: Rule, subject: Subject) -> Iterator[Finding]:
    """Follow the imports from the entry points: what they reach has to be in the wheel, by the same name."""
    metadata = subject.target.metadata
    if metadata is None:
        return
    if metadata.wheel is None:
        yield from _check_src_is_no_package(rule, subject)
        return
    pending = {one.entry.module: "the entry point names" for one in subject.plugins}
    seen: set[str] = set()
    while pending:
        name, needed = pending.popitem()
        module = subject.target.modules.get(name)
        if module is None or name in seen:
            continue
        seen.add(name)
        shown = subject.shown(module.path)
        shipped = metadata.wheel.module_of(module.path.relative_to(subject.target.root).as_posix())
        if shipped != name:
            instead = f"holds {shown} as '{shipped}'" if shipped else f"lacks {shown}"
            message = f"the wheel {instead}, and {needed} '{name}'"
            wheel = metadata.wheel
            yield rule.finding(metadata.place(wheel.key, keys=(*wheel.table, wheel.key)), message)
            continue
        for one in module.imports:
            if not one.type_only:
                pending |= dict.fromkeys((one.module, f"{one.module}.{one.name}"), f"{shown} imports")
        pending.setdefault(name.rpartition(".")[0], f"{shown} is imported by way of")


def _check_src_is_no_package(rule: Rule, subject: Subject) -> Iterator[Finding]:
    """Find entry points that begin with ``src.``: every build tool takes that folder for the root of the packages."""
    for one in subject.plugins:
        prefix, _, module = one.entry.module.partition(".")
        if prefix == "src" and prefix not in subject.target.modules and one.module is not None and one.entry.place:
            message = f"the entry point names '{one.entry.module}', which is '{module}' in the wheel"
            yield rule.finding(one.entry.place, message, fix=f"Take '{prefix}.' out of the entry point.")


NOT_SHIPPED = Rule(
    id="PX409",
    name="not-shipped",
    reason=(
        "A build packs the files that are listed for it, and is silent about the others. A plugin whose package is "
        "not in the wheel, or is there by another name, works in its own folder and is broken wherever it is installed."
    ),
    expected="each module that the plugin needs, in the wheel by the name that it is imported by",
    fix='Name the folders of all packages, beginning at the project\'s: packages = ["src/my_pkg"] for hatchling.',
    positive={"pyproject.toml": f'{PYPROJECT}{_HATCHLING}packages = ["my_pkg"]\n'},
    near_miss={"pyproject.toml": f'{PYPROJECT}{_HATCHLING}packages = ["./src/my_pkg/"]\n'},
    check=_check_not_shipped,
)


RULES = (
    WRONG_ENTRY_POINT_GROUP,
    NO_PLUGIN,
    NAME_SPELLING,
    WRONG_TARGETS_API,
    TARGETS_API_FLOATS,
    EXTRA_MISSING,
    COLLISION,
    REQUIRES_PIPELEX,
    NOT_SHIPPED,
)

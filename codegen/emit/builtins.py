"""Emits ``generated/builtins.py``: a plugin class per row, and the import-light closures that it registers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from codegen.call_shapes import CLIENT_MADE_OF, LISTED_OF, MADE_OF
from codegen.render import quote, template
from pipelex.spi.python_text import call

if TYPE_CHECKING:
    from codegen.call_shapes import CallShapes
    from codegen.spec import Builtin, Family, Spec, WorkerRow
    from pipelex.spi.call_shapes import CallShape

_PROVIDERS = "pipelex.providers"
_CONTRACT = "pipelex.plugins"


@dataclass(frozen=True)
class _WorkerClosure:
    """The closure that builds the workers of all rows of one family, worker class and client factory."""

    name: str
    parameters: str
    base: str
    worker: str
    imports: list[str]
    client: str | None


@dataclass(frozen=True)
class _Plugin:
    """What the template needs of one built-in."""

    row: Builtin
    class_name: str
    title: str
    message: str
    message_name: str
    guards: list[list[str]]
    closures: list[_WorkerClosure]
    backends: list[list[str]]
    lister: _ListerClosure | None
    listers: list[list[str]]
    commands: list[_CommandClosure]


@dataclass(frozen=True)
class _ListerClosure:
    """The closure that lists the models of a plugin."""

    name: str
    parameters: str
    function: str
    errors: str
    imports: list[str]


@dataclass(frozen=True)
class _CommandClosure:
    """The closure that runs a command."""

    name: str
    function: str
    arguments: list[str]
    imports: list[str]


def emit(spec: Spec, shapes: CallShapes) -> str:
    """Render the module.

    Args:
        spec: The spec.
        shapes: How the closures are called.
    """
    plugins = [_plugin(spec, shapes, builtin) for builtin in spec.builtin]
    types = _type_imports(spec, shapes, plugins)
    return template("builtins.py.j2").render(
        api_version=spec.api_version,
        shapes=shapes,
        plugins=plugins,
        instances=_tuple([f"{plugin.class_name}()" for plugin in plugins]),
        unconditional=_frozenset([builtin.name for builtin in spec.builtin if builtin.core_unconditional]),
        typing_imports=["typing:TYPE_CHECKING", *(["typing:Final"] if plugins else [])],
        runtime_imports=_runtime_imports(plugins),
        standard_imports=[reference for reference in types if not reference.startswith("pipelex.")],
        type_imports=[reference for reference in types if reference.startswith("pipelex.")],
    )


def _plugin(spec: Spec, shapes: CallShapes, builtin: Builtin) -> _Plugin:
    stem = identifier(builtin.name)
    closures: dict[tuple[str, str, str | None], _WorkerClosure] = {}
    backends = []
    for row in builtin.workers:
        client = row.client or builtin.client
        key = (row.family, row.worker, client)
        made = _worker_closure(shapes.make_worker, spec.family_named(row.family), row, client)
        closure = closures.setdefault(key, made)
        backends.append(
            [f"family=InferenceFamily.{row.family}", f"sdk={quote(row.sdk)}", f"make_worker={closure.name}"]
        )
    message_name = f"_{stem.upper()}_MISSING_MSG"
    lister = _lister(shapes.list_models, builtin, stem)
    return _Plugin(
        row=builtin,
        class_name=_class_name(stem),
        title=f"{builtin.title[0].upper()}{builtin.title[1:].rstrip('.')}.",
        message=f"Plugin '{builtin.name}' ({builtin.title.rstrip('.')}) needs an optional package.",
        message_name=message_name,
        guards=_guards(builtin, message_name),
        closures=list(closures.values()),
        backends=backends,
        lister=lister,
        listers=[[f"sdk={quote(sdk)}", f"lister={lister.name}"] for sdk in builtin.lister.sdks]
        if builtin.lister and lister
        else [],
        commands=[_command(command.name, command.help, command.run) for command in builtin.commands],
    )


def _class_name(stem: str) -> str:
    name = f"{''.join(part.title() for part in stem.split('_'))}Plugin"
    return f"_{name}" if name[0].isdigit() else name


def identifier(name: str) -> str:
    """Spell a name as a part of a Python identifier.

    Args:
        name: A plugin's name, an sdk or a command.
    """
    return name.replace("-", "_").replace(".", "_")


def _guards(builtin: Builtin, message_name: str) -> list[list[str]]:
    """A base dependency is always there: only what an extra brings is guarded."""
    if builtin.extra is None:
        return []
    return [
        [f"spec={quote(requirement.import_name)}", f"extra={quote(builtin.extra)}", f"msg={message_name}"]
        for requirement in builtin.requires
    ]


def _worker_closure(shape: CallShape, family: Family, row: WorkerRow, client: str | None) -> _WorkerClosure:
    references = [f"{_PROVIDERS}.{row.worker}"]
    if client is not None:
        references.append(f"{_PROVIDERS}.{client}")
    return _WorkerClosure(
        name=f"_make_{family.value}_{identifier(row.sdk)}_worker",
        parameters=shape.lines(used=MADE_OF | CLIENT_MADE_OF if client else MADE_OF),
        base=family.worker_class,
        worker=row.worker.partition(":")[2],
        imports=references,
        client=client and client.partition(":")[2],
    )


def _lister(shape: CallShape, builtin: Builtin, stem: str) -> _ListerClosure | None:
    if builtin.lister is None:
        return None
    return _ListerClosure(
        name=f"_list_{stem}_models",
        parameters=shape.lines(used=LISTED_OF),
        function=builtin.lister.function.partition(":")[2],
        errors=builtin.lister.errors.partition(":")[2],
        imports=[
            f"{_CONTRACT}.model_lister_registry:translate_errors",
            f"{_PROVIDERS}.{builtin.lister.function}",
            f"{_PROVIDERS}.{builtin.lister.errors}",
        ],
    )


def _command(name: str, help_line: str, run: str) -> _CommandClosure:
    function = f"_run_{identifier(name)}_command"
    return _CommandClosure(
        name=function,
        function=run.partition(":")[2],
        arguments=[f"name={quote(name)}", f"help={quote(help_line)}", f"run={function}"],
        imports=[f"{_PROVIDERS}.{run}"],
    )


def _runtime_imports(plugins: list[_Plugin]) -> list[str]:
    references = [f"{_CONTRACT}.inference_backend_registry:InferenceFamily"] if plugins else []
    if any(plugin.guards for plugin in plugins):
        references.append(f"{_CONTRACT}.inference_backend_registry:require_sdk")
    if any(closure.client for plugin in plugins for closure in plugin.closures):
        references.append(f"{_CONTRACT}.model_handle:ModelHandle")
    return references


def _type_imports(spec: Spec, shapes: CallShapes, plugins: list[_Plugin]) -> list[str]:
    """List what the annotations of the module mention, the standard library's names among them."""
    references = [f"{_CONTRACT}.contract:PipelexPlugin"]
    if plugins:
        references += [f"{_CONTRACT}.registrar:PluginRegistrar", *shapes.make_worker.imports]
    if any(plugin.lister for plugin in plugins):
        references += [*shapes.list_models.imports, *shapes.list_models.result_imports]
    if any(plugin.commands for plugin in plugins):
        references.append(f"{_CONTRACT}.command_call:CommandCall")
    bases = {closure.base for plugin in plugins for closure in plugin.closures}
    return references + [family.worker for family in spec.family if family.worker_class in bases]


def _tuple(items: list[str]) -> str:
    if len(items) == 1:
        return f"({items[0]},)"
    head = "BUILTIN_PLUGINS: tuple[PipelexPlugin, ...] = "
    return call(head, items).removeprefix(head)


def _frozenset(names: list[str]) -> str:
    return f"frozenset({{{', '.join(quote(name) for name in sorted(names))}}})" if names else "frozenset()"

"""What a rule looks at: a target, what is published, and what mypy and the probe said about it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pipelex.checking.findings import Place
    from pipelex.checking.purity_probe import ProbeReport
    from pipelex.checking.source import SourceModule
    from pipelex.checking.spi_tree import SpiTree
    from pipelex.checking.targets import EntryPoint, Target
    from pipelex.checking.type_check import MypyError

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """What an entry point names, as far as it can be told by reading.

    Attributes:
        index: The entry point's index in the target.
        entry: The entry point.
        module: The module that defines it; ``None`` where that is not the target's own.
        node: The plugin's class; ``None`` where reading does not tell.
        problem: What is wrong with what the entry point names; empty where nothing is, or reading does not tell.
        place: Where to point at.
    """

    index: int
    entry: EntryPoint
    module: SourceModule | None
    node: ast.ClassDef | None
    problem: str
    place: Place


@dataclass(frozen=True, kw_only=True)
class Contribution:
    """A callable that a plugin hands to the menu.

    Attributes:
        kind: ``backend`` or ``lister``.
        family: The member of ``InferenceFamily``; empty for a lister, or where it cannot be told.
        sdk: The sdk; empty where it cannot be told.
        module: The module of the function.
        function: The function; ``None`` where it is no function of the target's own.
        place: Where it is handed over, or the function.
    """

    kind: str
    family: str
    sdk: str
    module: SourceModule
    function: Function | None
    place: Place


class Subject:
    """A target with all that the rules ask about it.

    Args:
        target: The target.
        spi: What is published.
        mypy_errors: What mypy found in the target's modules.
        probe: What the probe saw.
    """

    def __init__(self, target: Target, spi: SpiTree, mypy_errors: Sequence[MypyError], probe: ProbeReport) -> None:
        self.target = target
        self.spi = spi
        self.mypy_errors = tuple(mypy_errors)
        self.probe = probe

    @property
    def modules(self) -> list[SourceModule]:
        """The judged modules."""
        return list(self.target.modules.values())

    # --- names -------------------------------------------------------------------------------------

    def published(self, module: SourceModule, name: str) -> str:
        """Return the published symbol, as ``module:name``, that a name in a module stands for; empty if it is none.

        Args:
            module: The module.
            name: The name.
        """
        one = module.bindings.get(name)
        if one is None or one.name is None:
            return ""
        return f"{one.module}:{one.name}" if one.name in self.spi.published.get(one.module, ()) else ""

    def resolve(self, module: SourceModule, name: str, depth: int = 8) -> tuple[SourceModule, ast.stmt] | None:
        """Find what defines a name, following imports within the target.

        Args:
            module: The module that uses the name.
            name: The name.
            depth: How many more imports to follow.
        """
        if name in module.definitions:
            return module, module.definitions[name]
        one = module.bindings.get(name)
        if one is None or one.name is None or depth == 0:
            return None
        origin = self.target.modules.get(one.module)
        return self.resolve(origin, one.name, depth - 1) if origin is not None else None

    def constant(self, module: SourceModule, node: ast.expr | None) -> object:
        """Return the value of a literal, or of a name that is bound to one; ``None`` where it cannot be told.

        Args:
            module: The module.
            node: The expression.
        """
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            found = self.resolve(module, node.id)
            if found is not None and isinstance(found[1], ast.Assign | ast.AnnAssign):
                value = found[1].value
                return value.value if isinstance(value, ast.Constant) else None
        return None

    def bases(self, module: SourceModule, node: ast.ClassDef) -> Iterator[tuple[SourceModule, ast.ClassDef]]:
        """Yield a class and those of its bases that are the target's own.

        Args:
            module: The module of the class.
            node: The class.
        """
        pending, seen = [(module, node)], set()
        while pending:
            where, current = pending.pop(0)
            if (where.name, current.name) in seen:
                continue
            seen.add((where.name, current.name))
            yield where, current
            for base in current.bases:
                found = self.resolve(where, base.id) if isinstance(base, ast.Name) else None
                if found is not None and isinstance(found[1], ast.ClassDef):
                    pending.append((found[0], found[1]))

    def published_base(self, module: SourceModule, node: ast.ClassDef) -> set[str]:
        """Return the names of the published classes that a class derives from.

        Args:
            module: The module of the class.
            node: The class.
        """
        return {
            symbol.partition(":")[2]
            for where, current in self.bases(module, node)
            for base in current.bases
            if isinstance(base, ast.Name) and (symbol := self.published(where, base.id))
        }

    # --- plugins -----------------------------------------------------------------------------------

    @cached_property
    def plugins(self) -> tuple[Plugin, ...]:
        """What the entry points name."""
        return tuple(self._plugin(index, entry) for index, entry in enumerate(self.target.entry_points))

    def _plugin(self, index: int, entry: EntryPoint) -> Plugin:
        module = self.target.modules.get(entry.module)
        if module is None:
            place = entry.place or next(iter(self.modules)).place_at(1)
            problem = f"there is no module '{entry.module}' in {self.target.label}"
            return Plugin(index=index, entry=entry, module=None, node=None, problem=problem, place=place)
        place = entry.place or module.place_at(1)
        if not entry.attribute:
            problem = f"it names the module '{entry.module}' and no attribute of it"
            return Plugin(index=index, entry=entry, module=module, node=None, problem=problem, place=place)
        found = None if "." in entry.attribute else self.resolve(module, entry.attribute)
        if found is None:
            known = "." in entry.attribute or entry.attribute in module.bindings or "__getattr__" in module.definitions
            problem = "" if known else f"'{entry.module}' defines no '{entry.attribute}'"
            return Plugin(index=index, entry=entry, module=module, node=None, problem=problem, place=place)
        where, node = found
        class_found, problem = self._plugin_class(where, node)
        if class_found is not None:
            where, node = class_found
        return Plugin(
            index=index,
            entry=entry,
            module=where,
            node=node if isinstance(node, ast.ClassDef) else None,
            problem=problem,
            place=where.place(node),
        )

    def _plugin_class(
        self, module: SourceModule, node: ast.stmt
    ) -> tuple[tuple[SourceModule, ast.ClassDef] | None, str]:
        """Find the class behind an attribute: the class itself, a factory of it, or an instance."""
        if isinstance(node, ast.ClassDef):
            init = self.method(module, node, "__init__")
            return (module, node), _required("the constructor of", node.name, init[1] if init else None, bound=True)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            problem = _required("the factory", node.name, node, bound=False)
            if isinstance(node, ast.AsyncFunctionDef):
                problem = f"the factory '{node.name}' is async, so calling it gives no plugin"
            returned = [child.value for child in ast.walk(node) if isinstance(child, ast.Return)]
            return self._class_called(module, returned[0] if len(returned) == 1 else None), problem
        if isinstance(node, ast.Assign | ast.AnnAssign):
            if isinstance(node.value, ast.Constant):
                return None, f"it is the constant {ast.unparse(node.value)}"
            return self._class_called(module, node.value), ""
        return None, ""

    def _class_called(self, module: SourceModule, node: ast.expr | None) -> tuple[SourceModule, ast.ClassDef] | None:
        """Return the class that an expression makes an instance of, where it is the target's own."""
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            return None
        found = self.resolve(module, node.func.id)
        return (found[0], found[1]) if found is not None and isinstance(found[1], ast.ClassDef) else None

    def method(self, module: SourceModule, node: ast.ClassDef, name: str) -> tuple[SourceModule, Function] | None:
        """Find a method of a class, in it or in a base that is the target's own.

        Args:
            module: The module of the class.
            node: The class.
            name: The method's name.
        """
        for where, current in self.bases(module, node):
            for child in current.body:
                if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and child.name == name:
                    return where, child
        return None

    def member(self, plugin: Plugin, name: str) -> tuple[SourceModule, ast.stmt, ast.expr] | None:
        """Find the value of a class attribute, or what a property returns.

        Args:
            plugin: The plugin.
            name: The attribute.

        Returns:
            The module, the statement and the value.
        """
        if plugin.module is None or plugin.node is None:
            return None
        for where, current in self.bases(plugin.module, plugin.node):
            for child in current.body:
                value = _value_of(child, name)
                if value is not None:
                    return where, child, value
        return None

    def register_place(self, index: int) -> Place:
        """Return the place of a plugin's ``register``, or of the plugin where it is not seen.

        Args:
            index: The entry point's index.
        """
        plugin = self.plugins[index]
        if plugin.module is not None and plugin.node is not None:
            found = self.method(plugin.module, plugin.node, "register")
            if found is not None:
                return found[0].place(found[1])
        return plugin.place

    def reported_place(self, line: dict[str, Any]) -> Place:
        """Return the place that a line of the probe's report names, or that of ``register``.

        Args:
            line: The line of the report.
        """
        module = next((one for one in self.modules if str(one.path) == line.get("file")), None)
        if module is None:
            return self.register_place(int(line["entry"]))
        text = module.place_at(int(line["line"])).source
        return module.place_at(int(line["line"]), len(text) - len(text.lstrip()) + 1, len(text.rstrip()) + 1)

    # --- contributions -----------------------------------------------------------------------------

    @cached_property
    def contributions(self) -> tuple[Contribution, ...]:
        """What is handed to the menu: as the probe saw it, and where it saw nothing, as the code reads."""
        seen = self.probe.of("registered")
        if seen:
            rows = [tuple(row) for line in seen for row in line["contributions"] if row[0] != "command"]
            entry_of = {tuple(row): line["entry"] for line in seen for row in line["contributions"]}
            return tuple(self._from_probe(row, entry_of[row]) for row in dict.fromkeys(rows))
        return tuple(self._from_source())

    def _from_probe(self, row: tuple[Any, ...], entry: int) -> Contribution:
        kind, family, sdk, qualname, file, line = row
        module = next((one for one in self.modules if str(one.path) == file), None)
        function = _function_at(module, str(qualname), int(line)) if module is not None else None
        place = module.place(function) if module is not None and function is not None else self.register_place(entry)
        return Contribution(
            kind=kind,
            family=family,
            sdk=sdk,
            module=module or self.plugins[entry].module or self.modules[0],
            function=function,
            place=place,
        )

    def _from_source(self) -> Iterator[Contribution]:
        for module in self.modules:
            for node in module.nodes:
                if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                    continue
                keywords = {keyword.arg: keyword.value for keyword in node.keywords}
                match node.func.attr:
                    case "add_inference_backend":
                        yield self._from_call("backend", module, node, keywords.get("make_worker"), keywords)
                    case "add_model_lister":
                        yield self._from_call("lister", module, node, keywords.get("lister"), keywords)

    def _from_call(
        self,
        kind: str,
        module: SourceModule,
        node: ast.Call,
        handed: ast.expr | None,
        keywords: dict[str | None, ast.expr],
    ) -> Contribution:
        family = keywords.get("family")
        sdk = self.constant(module, keywords.get("sdk"))
        found = self.resolve(module, handed.id) if isinstance(handed, ast.Name) else None
        function = found[1] if found is not None and isinstance(found[1], Function) else None
        where = found[0] if found is not None and function is not None else module
        return Contribution(
            kind=kind,
            family=family.attr if isinstance(family, ast.Attribute) else "",
            sdk=sdk if isinstance(sdk, str) else "",
            module=where,
            function=function,
            place=where.place(function) if function is not None else module.place(node),
        )

    # --- other -------------------------------------------------------------------------------------

    def shown(self, path: Path) -> str:
        """Show a path relative to the target.

        Args:
            path: The path.
        """
        return str(path.relative_to(self.target.root)) if path.is_relative_to(self.target.root) else str(path)


def _required(what: str, name: str, node: Function | None, *, bound: bool) -> str:
    """Say which arguments a call without any would miss."""
    if node is None:
        return ""
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args][1 if bound else 0 :]
    needed = positional[: len(positional) - len(arguments.defaults)] if positional else []
    pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    needed += [argument for argument, default in pairs if default is None]
    names = ", ".join(f"'{argument.arg}'" for argument in needed)
    return f"{what} '{name}' needs the argument {names}" if needed else ""


def _value_of(node: ast.stmt, name: str) -> ast.expr | None:
    match node:
        case ast.Assign(targets=[ast.Name(id=bound)], value=value) if bound == name:
            return value
        case ast.AnnAssign(target=ast.Name(id=bound), value=ast.expr() as value) if bound == name:
            return value
        case ast.FunctionDef(name=bound) if bound == name:
            returned = [child.value for child in ast.walk(node) if isinstance(child, ast.Return)]
            return returned[0] if len(returned) == 1 else None
    return None


def _function_at(module: SourceModule, qualname: str, line: int) -> Function | None:
    """Find a function by its name and the line that its code object gives, which is its first decorator's."""
    for node in module.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == qualname.rpartition(".")[2]:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if line in (first, node.lineno):
                return node
    return None

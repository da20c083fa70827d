"""What a rule looks at: a target, what is published, and what mypy and the sandbox found in it."""

from __future__ import annotations

import ast
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pipelex.reading.plugin_code import Contribution, PluginCode, as_function

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pipelex.checking.spi_tree import SpiTree
    from pipelex.checking.targets import Target
    from pipelex.reading.place import Place
    from pipelex.reading.plugin_code import Function
    from pipelex.reading.source import SourceModule
    from pipelex.sandbox.run import SandboxReport
    from pipelex.spi.type_check import Diagnostic


class Subject(PluginCode):
    """A target with all that the rules ask about it.

    Args:
        target: The target.
        spi: What is published.
        mypy_errors: What mypy found in the target's modules.
        sandbox: What the sandbox saw.
    """

    def __init__(self, target: Target, spi: SpiTree, mypy_errors: Sequence[Diagnostic], sandbox: SandboxReport) -> None:
        super().__init__(target.label, target.modules, target.entry_points)
        self.target = target
        self.spi = spi
        self.mypy_errors = tuple(mypy_errors)
        self.sandbox = sandbox

    @property
    def modules(self) -> list[SourceModule]:
        """The judged modules."""
        return list(self.target.modules.values())

    # --- names -------------------------------------------------------------------------------------

    def published(self, module: SourceModule, name: str) -> str:
        """Return the published symbol, as ``module:name``, that a name in a module refers to; empty if it is none.

        Args:
            module: The module.
            name: The name.
        """
        one = module.bindings.get(name)
        if one is None or one.name is None:
            return ""
        return f"{one.module}:{one.name}" if one.name in self.spi.published.get(one.module, ()) else ""

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

    def is_called_wrongly(self, module: SourceModule, call: ast.Call) -> bool:
        """Return whether mypy refuses the arguments of a call.

        Args:
            module: The module of the call.
            call: The call.
        """
        path = str(module.path)
        return any(
            error.code == "call-arg" and error.file == path and error.line == call.lineno for error in self.mypy_errors
        )

    # --- the report of the sandbox ------------------------------------------------------------------

    def reported_place(self, line: dict[str, Any]) -> Place:
        """Return the place that a line of the sandbox's report names, or that of ``register``.

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
        """The callables passed to menu methods: as the sandbox saw them, else as the code states them."""
        stated = tuple(one for plugin in self.plugins for one in self.stated_contributions(plugin)[0])
        seen = self.sandbox.of("registered")
        if seen:
            calls: dict[tuple[str, ...], Place] = {one.key: one.call for one in stated}
            rows = [tuple(row) for line in seen for row in line["contributions"]]
            entry_of = {tuple(row): line["entry"] for line in seen for row in line["contributions"]}
            return tuple(self._from_sandbox(row, entry_of[row], calls) for row in dict.fromkeys(rows))
        return stated

    def _from_sandbox(self, row: tuple[Any, ...], entry: int, calls: Mapping[tuple[str, ...], Place]) -> Contribution:
        kind, family, key, qualname, file, line = row
        sdk, name = ("", key) if kind == "command" else (key, "")
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
            call=calls.get((kind, family, sdk, name)) or self.register_place(entry),
            name=name,
        )

    # --- other -------------------------------------------------------------------------------------

    def shown(self, path: Path) -> str:
        """Show a path relative to the target.

        Args:
            path: The path.
        """
        return str(path.relative_to(self.target.root)) if path.is_relative_to(self.target.root) else str(path)


def _function_at(module: SourceModule, qualname: str, line: int) -> Function | None:
    """Find a function by its name and the line that its code object gives, which is its first decorator's."""
    for node in module.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == qualname.rpartition(".")[2]:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if line in (first, node.lineno):
                return node
    lambdas = [node for node in module.nodes if isinstance(node, ast.Lambda) and node.lineno == line]
    return as_function(lambdas[0]) if qualname.endswith("<lambda>") and len(lambdas) == 1 else None

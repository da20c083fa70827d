"""The published contract: every SPI module read, reduced to its signatures, and closed under them."""

from __future__ import annotations

import builtins
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import libcst as cst

from codegen.errors import CodegenError, Problem, raise_any
from codegen.reduce import Reducer
from codegen.row_checks import check_rows
from codegen.source import assigned_name, dotted_name, read_module
from pipelex.spi.stub_tree import VOCABULARY

if TYPE_CHECKING:
    from codegen.project import Project
    from codegen.reduce import Reduced, SymbolPart
    from codegen.source import Definition, SourceModule
    from codegen.spec import SpecFile

_BUILTINS = frozenset(dir(builtins))


@dataclass
class PublishedModule:
    """An SPI module as its stub states it.

    Attributes:
        source: The module.
        symbols: Its published names in the order of the source, reduced.
        helpers: The type variables that they use, reduced.
        used: The imports that they use: name to ``module:name``.
    """

    source: SourceModule
    symbols: dict[str, Reduced] = field(default_factory=dict)
    helpers: dict[str, Reduced] = field(default_factory=dict)
    used: dict[str, str] = field(default_factory=dict)


class Contract:
    """What ``spi.toml`` publishes, as the source has it.

    Args:
        project: Where the modules are read from.
        spec_file: The spec.

    Raises:
        CodegenError: The source does not hold what the spec states, or a signature mentions what it may not.
    """

    def __init__(self, project: Project, spec_file: SpecFile) -> None:
        self.spec_file = spec_file
        self._published = spec_file.spec.published()
        self._problems: list[Problem] = []
        self._sources = self._read_sources(project)
        self._problems += check_rows(self._sources, spec_file)
        raise_any(self._problems)
        self.modules = {name: self._reduce_module(source) for name, source in self._sources.items()}
        raise_any(self._problems)

    def _read_sources(self, project: Project) -> dict[str, SourceModule]:
        sources = {}
        for name, symbols in self._published.items():
            path = project.module_path(name)
            if path is None:
                for symbol in symbols:
                    key = ("symbols", f"{name}:{symbol}")
                    self._problems.append(self.spec_file.problem(key, f"no module '{name}' under src/"))
                continue
            try:
                sources[name] = read_module(project, name, path)
            except CodegenError as exc:
                self._problems += exc.problems
                continue
            self._check_exports(sources[name], symbols)
        return sources

    def _check_exports(self, source: SourceModule, symbols: list[str]) -> None:
        """An SPI module's ``__all__`` is exactly what is published of it, and all of it is defined there."""
        exported = set(source.exported or [])
        missing, surplus = sorted(set(symbols) - exported), sorted(exported - set(symbols))
        if source.exported is None:
            self._problems.append(Problem(source.path, 1, source.name, f"no __all__; expected {sorted(symbols)}"))
        elif missing or surplus:
            parts = [f"{', '.join(missing)} is published and not in it"] if missing else []
            parts += [f"{', '.join(surplus)} is in it and not published in spi.toml"] if surplus else []
            text = f"__all__ differs from spi.toml: {'; '.join(parts)}"
            self._problems.append(Problem(source.path, self._line_of_exports(source), source.name, text))
        for name in sorted(set(symbols) - set(source.definitions)):
            key = ("symbols", f"{source.name}:{name}")
            text = f"{source.path} defines no '{name}'; expected a published name at the top level of its module"
            self._problems.append(self.spec_file.problem(key, text))

    def _line_of_exports(self, source: SourceModule) -> int:
        return next((source.line_of(node) for node in source.tree.body if assigned_name(node) == "__all__"), 1)

    def _reduce_module(self, source: SourceModule) -> PublishedModule:
        module = PublishedModule(source)
        reducer = Reducer(
            source,
            has_hooks=lambda name: f"{source.name}:{name}" in self._worker_bases,
            is_published=self.spec_file.spec.symbols.__contains__,
            refuse=self._problems.append,
        )
        names = [name for name in source.definitions if name in self._published[source.name]]
        for name in names:
            module.symbols[name] = reducer.reduce(source.definitions[name])
        for reduced in list(module.symbols.values()):
            for signature in reduced.parts:
                self._close(module, reducer, signature)
        return module

    @cached_property
    def _worker_bases(self) -> set[str]:
        """What a driver derives from: the families' worker bases, their published bases, and what extends those."""
        bases = {
            f"{source.name}:{name}": _bases(source, definition)
            for source in self._sources.values()
            for name, definition in source.definitions.items()
        }
        found: set[str] = set()
        pending = [family.worker for family in self.spec_file.spec.family]
        while pending:
            reference = pending.pop()
            if reference in bases and reference not in found:
                found.add(reference)
                pending += bases[reference]
        return found | {reference for reference, below in bases.items() if found.intersection(below)}

    def _close(self, module: PublishedModule, reducer: Reducer, signature: SymbolPart) -> None:
        """Make sure that a signature mentions nothing but what is published, or the vocabulary."""
        source = module.source
        mentions = _Mentions()
        signature.node.visit(mentions)
        if mentions.loose_callable:
            text = "Callable[..., X] checks no argument; expected Callable[[A, B], X], or a Protocol with __call__"
            self._refuse(source, signature, text)
        for name in sorted(mentions.names):
            definition = source.definitions.get(name)
            if definition is not None:
                self._close_over_definition(module, reducer, signature, definition)
            elif name in source.imports:
                self._close_over_import(module, signature, name)
            elif name not in _BUILTINS:
                self._refuse(source, signature, f"mentions '{name}', which {source.path} does not define or import")

    def _close_over_definition(
        self, module: PublishedModule, reducer: Reducer, signature: SymbolPart, definition: Definition
    ) -> None:
        source, name = module.source, definition.name
        if name in self._published[source.name] or name in module.helpers:
            return
        if _is_type_variable(definition):
            module.helpers[name] = reducer.reduce(definition)
            for part in module.helpers[name].parts:
                self._close(module, reducer, part)
        else:
            self._refuse_unpublished(source, signature, f"{source.name}:{name}")

    def _close_over_import(self, module: PublishedModule, signature: SymbolPart, name: str) -> None:
        source = module.source
        reference = source.imports[name]
        origin, _, original = reference.partition(":")
        if not original:
            self._refuse(source, signature, f"mentions the module '{origin}'; expected 'from {origin} import ...'")
        elif reference in self.spec_file.spec.symbols or origin in VOCABULARY:
            module.used[name] = reference
        elif origin.partition(".")[0] == "pipelex":
            self._refuse_unpublished(source, signature, reference)
        else:
            text = f"mentions '{original}' of '{origin}'; expected published names, or those of {', '.join(VOCABULARY)}"
            self._refuse(source, signature, text)

    def _refuse_unpublished(self, source: SourceModule, signature: SymbolPart, reference: str) -> None:
        module, _, name = reference.partition(":")
        text = (
            f"mentions '{name}' of '{module}', which is not published. "
            f'Publish it: "{reference}" = {{ since = ..., role = ... }} under [symbols] in spi.toml'
        )
        self._refuse(source, signature, text)

    def _refuse(self, source: SourceModule, signature: SymbolPart, text: str) -> None:
        self._problems.append(source.problem(signature.origin, signature.where, text))


def _is_type_variable(definition: Definition) -> bool:
    match definition.node:
        case cst.SimpleStatementLine(body=[cst.Assign(value=cst.Call(func=cst.Name(value="TypeVar" | "ParamSpec")))]):
            return True
    return False


class _Mentions(cst.CSTVisitor):
    """Collects the names that a signature mentions: annotations, bases, decorators, values; not what it defines.

    A type that is quoted mentions what it would without the quotes; a string elsewhere is a value.
    """

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.loose_callable = False
        self._depth_of_types = 0

    def visit_Name(self, node: cst.Name) -> None:
        self.names.add(node.value)

    def visit_Attribute(self, node: cst.Attribute) -> bool:
        node.value.visit(self)
        return False

    def visit_Arg(self, node: cst.Arg) -> bool:
        node.value.visit(self)
        return False

    def visit_Param(self, node: cst.Param) -> bool:
        for part in (node.annotation, node.default):
            if part is not None:
                part.visit(self)
        return False

    def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:
        for part in (*node.decorators, node.params, node.returns):
            if part is not None:
                part.visit(self)
        return False

    def visit_ClassDef(self, node: cst.ClassDef) -> bool:
        for part in (*node.decorators, *node.bases, *node.keywords):
            part.visit(self)
        return False

    def visit_AnnAssign(self, node: cst.AnnAssign) -> bool:
        node.annotation.visit(self)
        if node.value is not None:
            is_alias = dotted_name(node.annotation.annotation).rpartition(".")[2] == "TypeAlias"
            self._depth_of_types += is_alias
            node.value.visit(self)
            self._depth_of_types -= is_alias
        return False

    def visit_Annotation(self, _node: cst.Annotation) -> None:
        self._depth_of_types += 1

    def leave_Annotation(self, _original_node: cst.Annotation) -> None:
        self._depth_of_types -= 1

    def visit_SimpleString(self, node: cst.SimpleString) -> None:
        if self._depth_of_types and isinstance(node.evaluated_value, str):
            with suppress(cst.ParserSyntaxError):
                cst.parse_expression(node.evaluated_value).visit(self)

    def visit_Assign(self, node: cst.Assign) -> bool:
        node.value.visit(self)
        return False

    def visit_Subscript(self, node: cst.Subscript) -> bool:
        if dotted_name(node.value).rpartition(".")[2] == "Literal":  # what is in it are values
            node.value.visit(self)
            return False
        if dotted_name(node.value).rpartition(".")[2] == "Callable":
            match node.slice:
                case [_, cst.SubscriptElement(slice=cst.Index(value=cst.Name(value="object")))]:
                    pass  # any function at all, whose parameters are read at run time
                case [cst.SubscriptElement(slice=cst.Index(value=cst.Ellipsis())), *_]:
                    self.loose_callable = True
        return True


def _bases(source: SourceModule, definition: Definition) -> list[str]:
    """Return the bases of a class, as references; of anything else there are none."""
    if not isinstance(definition.node, cst.ClassDef):
        return []
    names = (dotted_name(base.value) for base in definition.node.bases)
    return [source.imports.get(name, f"{source.name}:{name}") for name in names]

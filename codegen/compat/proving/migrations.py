"""The ``migration`` code of the entries, tried on the new contract: what the type checker refuses, no author may meet.

Each entry gets a small plugin that has the code where ``pipelex plugins upgrade`` writes it: a member in a class, an
argument in a call, an expression around what the old contract passed or took.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from codegen.compat.asking.typecheck import check
from codegen.compat.proving.plugins import Page
from codegen.compat.proving.witnesses import world
from codegen.compat.reading.trees import read_shapes
from pipelex.spi.stub_tree import Attribute, ClassShape

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from codegen.compat.reading.trees import StubTree
    from codegen.spec import Change
    from pipelex.spi.stub_tree import Type

_MARK = "  # migration"
_NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*")


def faults(entries: Sequence[Change], old: StubTree, new: StubTree, cache: Path | None = None) -> dict[int, str]:
    """Return what the type checker refuses of the migration code of entries, by the place of the entry.

    Args:
        entries: The entries.
        old: The contract that they lead away from.
        new: The contract that they lead to.
        cache: Where the type checker keeps what it knows between runs; nowhere by default.

    Raises:
        CodegenError: A tree cannot be read.
        UndecidedError: The type checker came to no verdict.
    """
    trial = _Trial(old, new)
    plugins = {place: text for place, entry in enumerate(entries) if (text := trial.plugin(entry))}
    if not plugins:
        return {}
    errors = check(world("tried", new, {f"tried_{place}": text for place, text in plugins.items()}), cache)
    found = {}
    for place, text in plugins.items():
        lines = text.splitlines()
        refused = [one for one in errors.get(f"tried_{place}", []) if lines[one.line - 1].endswith(_MARK)]
        if refused:
            found[place] = refused[0].message.replace("tried.", "")
    return found


class _Trial:
    """Writes the plugins.

    Args:
        old: The contract that the entries lead away from.
        new: The contract that they lead to.
    """

    def __init__(self, old: StubTree, new: StubTree) -> None:
        self._old, self._new = read_shapes(old), read_shapes(new)
        names = (key.partition(":") for key in self._new.shapes)
        self._home = {name: module for module, _, name in names}

    def plugin(self, entry: Change) -> str:
        """Return the plugin of an entry; nothing where it has no code, or none that a plugin can be made of."""
        write = _WRITERS.get(entry.kind)
        code = (entry.migration or "").strip()
        page = Page(self._old)
        body = write(self, page, entry, code) if write is not None and code else ""
        if not body:
            return ""
        ours = {name: self._home[name] for name in _NAME.findall(body) if name in self._home}
        imports = "".join(f"from {module} import {name}\n" for name, module in sorted(ours.items()))
        return f"{page.text().strip()}\n{imports}\n{body}"

    def member(self, _page: Page, entry: Change, code: str) -> str:
        """Write a class that has the member."""
        owner = entry.symbol.rpartition(".")[0].partition(":")[2]
        lines = "".join(f"    {line}{_MARK}\n" for line in code.splitlines())
        return f"class Mine({owner}):\n{lines}" if owner in self._home else ""

    def argument(self, page: Page, entry: Change, code: str) -> str:
        """Write a call that gives the argument."""
        text = (entry.to or "").partition("=")[0].strip()
        if not text:
            name = code.partition("=")[0].strip()
            type_ = self._type_of(page, entry.symbol, name)
            text = f"{name}: {type_}" if type_ else ""
        return f"def call(*, {text}) -> None: ...{_MARK}\ncall({code}){_MARK}\n" if text else ""

    def group(self, page: Page, entry: Change, code: str) -> str:
        """Write a function that makes one value of those that were parameters."""
        names = [part.partition(":")[0].strip() for part in (entry.from_ or "").split(",")]
        types = [(name, self._type_of(page, entry.symbol, name)) for name in names]
        takes = ", ".join(f"{name}: {type_}" for name, type_ in types if type_)
        annotation = (entry.to or "").partition(":")[2].partition("=")[0].strip()
        return f"def use({takes}) -> None:\n    made: {annotation} = {_filled(code)}{_MARK}\n" if annotation else ""

    def wrapped(self, page: Page, entry: Change, code: str) -> str:
        """Write a function that wraps what was returned."""
        signature = self._old.signature(entry.symbol)
        if signature is None or signature.returns is None or not entry.to:
            return ""
        returns = page.outline.type(signature.returns)
        lines = [f"def use(value: {returns}) -> None:"]
        if "None" in returns.split(" | "):  # which is passed on as it is where the new type allows for it
            lines.append("    assert value is not None")
        return "\n".join([*lines, f"    made: {entry.to} = {code.replace('{}', 'value')}{_MARK}", ""])

    def _type_of(self, page: Page, symbol: str, name: str) -> str:
        """Return the type of a parameter, or of the field that a symbol is, in the old contract."""
        owner, _, member = symbol.rpartition(".")
        shape = self._old.shapes.get(owner if ":" in owner else symbol)
        found = self._old.find(shape, member) if isinstance(shape, ClassShape) and ":" in owner else None
        type_: Type | None = found.type if isinstance(found, Attribute) else None
        signature = self._old.signature(symbol) if type_ is None else None
        if signature is not None:
            type_ = next((one.type for one in signature.params if one.name == name), None)
        return page.outline.type(type_)


def _filled(code: str) -> str:
    return re.sub(r"\{(\w+)\}", r"\1", code)


_WRITERS: Mapping[str, Callable[[_Trial, Page, Change, str], str]] = {
    "abstract-added": _Trial.member,
    "protocol-member-added": _Trial.member,
    "parameter-added": _Trial.argument,
    "field-default-changed": _Trial.argument,
    "parameter-default-changed": _Trial.argument,
    "parameters-regrouped": _Trial.group,
    "return-wrapped": _Trial.wrapped,
}

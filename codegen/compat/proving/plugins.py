"""Small plugins, written from the old tree: each uses one published thing in one way."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING

from codegen.compat.model import Direction
from codegen.compat.reading.directions import CONSTRUCTOR
from codegen.compat.reading.outline import Outline, first_of, parameter_list, variable_text
from codegen.compat.reading.spelling import Flow, Plain
from codegen.compat.reading.synthesized import match_args
from pipelex.spi.stub_tree import (
    STRUCTURAL_BASES,
    AliasShape,
    Attribute,
    ClassKind,
    ClassShape,
    ConstantShape,
    FunctionShape,
    Method,
    MethodForm,
    ParamKind,
    Type,
    VariableShape,
    reference,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipelex.spi.stub_tree import Member, Param, Signature, TreeShape

_WIDTH = 96
_SEPARATOR = "\0"
_FAIL = "raise NotImplementedError"
_STARS = {ParamKind.STAR, ParamKind.DOUBLE_STAR}


class Page(Plain):
    """One module of a plugin: spells types by bare names and knows what it must import for that.

    Args:
        tree: The tree that it is written from.
        owner: The class whose own type variables are to be filled, if it has any.
    """

    def __init__(self, tree: TreeShape, owner: ClassShape | None = None) -> None:
        super().__init__()
        self.tree = tree
        self._owner = owner
        self._filled = set(owner.type_variables) if owner is not None else set()
        self._lines: list[str] = []
        self.outline = Outline(self)

    def variable(self, key: str, flow: Flow = Flow.OUT) -> str:
        """Spell a type variable; one of the class at hand by what it is bound to."""
        if key not in self._filled:
            return super().variable(key, flow)
        shape = self.tree.shapes[key]
        bounds = shape.bounds if isinstance(shape, VariableShape) else []
        return self.outline.type(bounds[0]) if bounds else "object"

    def outside(self, name: str, flow: Flow = Flow.OUT) -> str:
        """Spell a name from outside; ``Self`` by the class at hand, ``Any`` by one of the types that it allows."""
        if name == "typing.Self" and self._owner is not None:
            return self.cls(self._owner)
        if name in {"typing.Any", "typing_extensions.Any"}:
            return "bytes"
        return super().outside(name, flow)

    def name(self, module: str, name: str) -> str:
        """Import a name and return it."""
        self.imports.setdefault(module, set()).add(name)
        return name

    def cls(self, shape: ClassShape) -> str:
        """Spell a class with its type variables filled."""
        arguments = ", ".join(self.variable(key) for key in shape.type_variables)
        return f"{self.symbol(shape.key)}{f'[{arguments}]' if arguments else ''}"

    def write(self, *lines: str) -> None:
        """Add lines."""
        self._lines += lines

    def text(self) -> str:
        """Return the module."""
        variables = [self._define(key) for key in list(self.variables)]
        if variables:
            self.name("typing", "TypeVar")
        lines = {module: f"from {module} import {', '.join(sorted(names))}" for module, names in self.imports.items()}
        outside = [lines[module] for module in sorted(lines) if not module.startswith("pipelex")]
        ours = [lines[module] for module in sorted(lines) if module.startswith("pipelex")]
        head = "\n\n".join("\n".join(part) for part in (outside, ours, variables) if part)
        gap = "\n\n\n" if self._lines and self._lines[0].startswith(("def ", "async ", "class ")) else "\n\n"
        return gap.join(part for part in (head, "\n".join(self._lines)) if part) + "\n"

    def _define(self, key: str) -> str:
        shape = self.tree.shapes[key]
        text = variable_text(shape, self.outline.type) if isinstance(shape, VariableShape) else ""
        return f"{key.partition(':')[2]} = {text}"

    def declared(self, param: Param) -> str:
        """Write a parameter of an implementation."""
        if param.default == "...":  # what it is only core knows; an implementation may have any
            return f"{param.name}: {self.name('typing', 'Any')} = None"
        for node in ast.walk(ast.parse(param.default or "None", mode="eval")):
            if isinstance(node, ast.Name) and param.type is not None:
                self.outline.type(Type(node, param.type.module))
        return self.outline.param(param)

    def implementation(self, method: Method, name: str, first: str = "") -> str:
        """Write the first line of a function that has the signature of a method."""
        signature = method.signature
        start = "async def" if signature.is_async else "def"
        params = parameter_list(signature.params, self.declared, first, separator=_SEPARATOR)
        return _laid_out(f"{start} {name}(", params, f") -> {self.outline.type(signature.returns) or 'object'}:")


def _laid_out(start: str, parts: str, end: str) -> str:
    """Put the parts of a list on lines of their own where one line would be too long."""
    whole = f"{start}{parts.replace(_SEPARATOR, ', ')}{end}"
    if len(whole) <= _WIDTH or not parts:
        return whole
    return "\n".join([start, *(f"    {part}," for part in parts.split(_SEPARATOR)), end])


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


def imported(tree: TreeShape, key: str) -> str:
    """Return a plugin that imports a symbol, and nothing more.

    Args:
        tree: The old tree.
        key: The symbol.
    """
    page = Page(tree)
    page.symbol(key)
    return page.text()


def uses(tree: TreeShape, symbol: str, ways: Sequence[Direction]) -> Iterator[str]:
    """Yield plugins that use a symbol or a member of one, in the directions that it has.

    Args:
        tree: The old tree.
        symbol: ``module:name`` or ``module:Class.member``.
        ways: Its directions.
    """
    module, _, rest = symbol.partition(":")
    name, dot, member_name = rest.partition(".")
    shape = tree.shapes.get(f"{module}:{name}")
    if isinstance(shape, FunctionShape):
        yield from _calls(tree, shape.method, None)
    elif isinstance(shape, ConstantShape):
        yield from _constant(tree, shape)
    elif isinstance(shape, AliasShape):
        yield from _alias(tree, shape)
    elif isinstance(shape, ClassShape) and shape.kind is ClassKind.ENUM:
        yield from _enum_uses(tree, shape, member_name, ways)
    elif isinstance(shape, ClassShape) and dot:
        yield from member_uses(tree, shape, member_name, ways)
    elif isinstance(shape, ClassShape):
        yield from class_uses(tree, shape, ways)


def _base(page: Page, key: str) -> str:
    """Write a base: a published class, or one from outside."""
    parent = page.tree.shapes.get(key)
    return page.cls(parent) if isinstance(parent, ClassShape) else page.outside(key)


def class_uses(tree: TreeShape, shape: ClassShape, ways: Sequence[Direction]) -> Iterator[str]:
    """Yield plugins that use a class as such.

    Args:
        tree: The old tree.
        shape: The class.
        ways: Its directions.
    """
    for base in sorted(tree.ancestry(shape) - {shape.key}):
        page = Page(tree, shape)
        page.write(f"def use(value: {page.cls(shape)}) -> {_base(page, base)}:", "    return value")
        yield page.text()
    for direct in shape.bases:
        if isinstance(tree.shapes.get(reference(direct)), ClassShape) or reference(direct) not in STRUCTURAL_BASES:
            page = Page(tree, shape)
            page.write(f"def use(value: {page.cls(shape)}) -> {page.outline.type(direct)}:", "    return value")
            yield page.text()
    page = Page(tree, shape)
    page.write("def use(value: object) -> bool:", f"    return isinstance(value, {page.symbol(shape.key)})")
    yield page.text()
    yield subclass(tree, shape)
    yield subclass(tree, shape, make=True)
    if shape.kind is ClassKind.PROTOCOL:
        yield protocol_supplied(tree, shape)
    if Direction.IMPLEMENTS in ways:
        yield from member_uses(tree, shape, CONSTRUCTOR, ways)
    yield from _unpacking(tree, shape)
    if shape.kind is ClassKind.RECORD:
        page = Page(tree, shape)
        called = page.name("dataclasses", "replace")
        page.write(f"def use(value: {page.cls(shape)}) -> {page.cls(shape)}:", f"    return {called}(value)")
        yield page.text()
    for field in shape.fields:
        yield from _attribute(tree, shape, field)


def hashed(tree: TreeShape, shape: ClassShape) -> str:
    """Return a plugin that hashes an object of a class.

    Args:
        tree: The old tree.
        shape: The class.
    """
    page = Page(tree, shape)
    page.write(f"def use(value: {page.cls(shape)}) -> {page.name('collections.abc', 'Hashable')}:", "    return value")
    return page.text()


def ordered(tree: TreeShape, shape: ClassShape) -> str:
    """Return a plugin that compares objects of a class.

    Args:
        tree: The old tree.
        shape: The class.
    """
    page = Page(tree, shape)
    page.write(f"def use(one: {page.cls(shape)}, other: {page.cls(shape)}) -> bool:", "    return one < other")
    return page.text()


def derived_frozen(tree: TreeShape, shape: ClassShape) -> str:
    """Return a plugin whose own frozen dataclass derives from a record.

    Args:
        tree: The old tree.
        shape: The record.
    """
    page = Page(tree, shape)
    page.write(f"@{page.name('dataclasses', 'dataclass')}(frozen=True, kw_only=True)")
    page.write(f"class Mine({page.cls(shape)}):", "    extra: int")
    return page.text()


def member_uses(tree: TreeShape, shape: ClassShape, name: str, ways: Sequence[Direction]) -> Iterator[str]:
    """Yield plugins that use a member of a class.

    Args:
        tree: The old tree.
        shape: The class.
        name: The member.
        ways: Its directions.
    """
    member = tree.find(shape, name)
    if name == CONSTRUCTOR and shape.kind is not ClassKind.PROTOCOL:
        yield from _calls(tree, Method(CONSTRUCTOR, tree.constructors(shape)), shape)
        return
    if shape.kind is ClassKind.PROTOCOL and Direction.IMPLEMENTS in ways:
        yield protocol_supplied(tree, shape)
        yield subclass(tree, shape, derived=True)
    if isinstance(member, Attribute):
        if Direction.CALLS in ways:
            yield from _attribute(tree, shape, member)
        if Direction.IMPLEMENTS in ways:
            yield from _overridden(tree, shape, member)
        if shape.is_record:
            yield from _record_uses(tree, shape, ways)
    elif isinstance(member, Method):
        if Direction.IMPLEMENTS in ways and shape.kind is not ClassKind.PROTOCOL:
            yield subclass(tree, shape, member)
            yield subclass(tree, shape, member, override=True)
        if Direction.CALLS in ways:
            yield from _calls(tree, member, shape)
    elif member is None:  # what is new: old plugins meet it where they make or supply the class
        if Direction.IMPLEMENTS in ways:
            yield subclass(tree, shape, make=True)
        yield from _record_uses(tree, shape, ways)


def _record_uses(tree: TreeShape, shape: ClassShape, ways: Sequence[Direction]) -> Iterator[str]:
    """Yield plugins that make a record, and ones that take it apart."""
    if Direction.IMPLEMENTS in ways:
        yield from _calls(tree, Method(CONSTRUCTOR, tree.constructors(shape)), shape)
    if Direction.CALLS in ways:
        yield from _unpacking(tree, shape)


def _overridden(tree: TreeShape, shape: ClassShape, attribute: Attribute) -> Iterator[str]:
    """Yield a plugin whose subclass states an attribute or a property anew."""
    page = Page(tree, shape)
    _write_class(page, "Mine", page.cls(shape), [*abstract_members(tree, shape), attribute])
    yield page.text()


def _patterns(tree: TreeShape, shape: ClassShape) -> Iterator[str]:
    """Yield plugins that match a class by position, the first fields alone or all of them."""
    names = match_args(tree, shape)
    types = {param.name: param.type for param in tree.constructor(shape).params}
    for count in range(1, len(names) + 1):
        page = Page(tree, shape)
        taken = page.outline.type(types.get(names[count - 1])) or "object"
        places = ", ".join(["_"] * (count - 1) + ["found"])
        page.write(f"def use(value: {page.cls(shape)}) -> {taken} | None:", "    match value:")
        page.write(f"        case {page.symbol(shape.key)}({places}):", "            return found", "    return None")
        yield page.text()


def _unpacking(tree: TreeShape, shape: ClassShape) -> Iterator[str]:
    yield from _patterns(tree, shape)
    if shape.kind is ClassKind.NAMED_TUPLE:
        page = Page(tree, shape)
        names = ", ".join(field.name for field in shape.fields)
        page.write(f"def use(value: {page.cls(shape)}) -> None:", f"    {names} = value")
        yield page.text()


# --- calling ------------------------------------------------------------------------------------------


def _calls(tree: TreeShape, method: Method, shape: ClassShape | None) -> Iterator[str]:
    for signature in method.signatures:
        for plan in _plans(signature):
            yield _call(tree, method, signature, shape, plan)
        if shape is not None and method.form is MethodForm.PLAIN and not method.is_hook:
            yield from _handed_on(tree, method, signature, shape)
            if method.name != CONSTRUCTOR:
                yield _call(tree, method, signature, shape, _plans(signature)[0], on_class=True)


def _handed_on(tree: TreeShape, method: Method, signature: Signature, shape: ClassShape) -> Iterator[str]:
    """Yield a plugin that hands a method on as a callable: where it returns nothing, no call leans on that."""
    page = Page(tree, shape)
    required = [one for one in signature.params if not one.optional]
    returns = page.outline.type(signature.returns)
    if returns == "None" and not signature.is_async and all(one.by_position for one in required):
        taken = ", ".join(page.outline.type(one.type) for one in required)
        called = f"{page.name('collections.abc', 'Callable')}[[{taken}], None]"
        page.write(f"def use(target: {page.cls(shape)}) -> {called}:", f"    return target.{method.name}")
        yield page.text()


def _plans(signature: Signature) -> list[list[tuple[Param, bool]]]:
    """Return ways to call: which arguments are passed, and whether by keyword."""
    params = [one for one in signature.params if one.kind not in _STARS]
    required = [one for one in params if not one.optional]
    natural = [(one, one.kind is ParamKind.KEYWORD) for one in params]
    by_name = [(one, one.kind is not ParamKind.POSITIONAL_ONLY) for one in params]
    plans = [
        [(one, one.kind is ParamKind.KEYWORD) for one in required],
        [(one, one.kind is not ParamKind.POSITIONAL_ONLY) for one in required],
        natural,
        by_name,
    ]
    extras = [one for one in params if one.optional and one.kind is not ParamKind.POSITIONAL_ONLY]
    plans += [[(one, by) for one, by in by_name if one in required or one is extra] for extra in extras]
    places = [one for one in params if one.by_position]
    for count in range(len(places) + 1):  # the first few by place, the rest by name where they must be
        rest = [one for one in required if one not in places[:count]]
        plans.append([(one, False) for one in places[:count]] + [(one, True) for one in rest])
    if any(one.kind is ParamKind.STAR for one in signature.params):
        star = next(one for one in signature.params if one.kind is ParamKind.STAR)
        plans.append([(one, one.kind is ParamKind.KEYWORD) for one in required] + [(star, False)])
    for anything in (one for one in signature.params if one.kind is ParamKind.DOUBLE_STAR):
        further = replace(anything, name="further", kind=ParamKind.KEYWORD)
        plans.append([*((one, one.kind is ParamKind.KEYWORD) for one in required), (further, True)])
    return [plan for place, plan in enumerate(plans) if plan not in plans[:place]]


def _call(
    tree: TreeShape,
    method: Method,
    signature: Signature,
    shape: ClassShape | None,
    plan: list[tuple[Param, bool]],
    *,
    on_class: bool = False,
) -> str:
    page = Page(tree, shape)
    names = {param.name for param, _ in plan}
    target = "target_" if "target" in names else "target"
    takes = [f"{param.name}: {page.outline.type(param.type) or 'object'}" for param, _ in plan]
    plan = sorted(plan, key=lambda one: one[1])
    passed = [f"{param.name}={param.name}" if by_name else param.name for param, by_name in plan]
    arguments = _laid_out("", _SEPARATOR.join(passed), "")
    returns = page.outline.type(signature.returns) or "None"
    if shape is None:
        called = page.symbol(_key_of(tree, method))
    elif method.name == CONSTRUCTOR:
        called, returns = _constructed(tree, page, shape), "None"
    elif method.is_hook:
        return _super_call(page, shape, method, takes, arguments)
    elif method.form is MethodForm.PLAIN:
        called = f"{target}.{method.name}" if method.name != "__call__" else target
        takes = [f"{target}: {page.cls(shape)}", *takes]
        if on_class:
            called, arguments = (
                f"{page.symbol(shape.key)}.{method.name}",
                _laid_out("", _SEPARATOR.join([target, *passed]), ""),
            )
    else:
        called = f"{page.symbol(shape.key)}.{method.name}"
    page.write(*_function("use", takes, returns, f"{called}({arguments})", is_async=signature.is_async))
    return page.text()


def replaced(tree: TreeShape, shape: ClassShape, name: str) -> Iterator[str]:
    """Yield a plugin that does what a special method replaces: tests an object for truth, holds it in a class.

    Args:
        tree: The tree.
        shape: The class.
        name: The special method, which the class does not have.
    """
    page = Page(tree, shape)
    if name in {"__bool__", "__len__"}:
        page.write(f"def use(value: {page.cls(shape)} | None) -> None:", "    if not value:")
        page.write("        expected: None = value")
        yield page.text()
    elif name in {"__get__", "__set__"}:
        type_ = page.cls(shape)
        page.write(f"def made() -> {type_}:", f"    {_FAIL}", "", "", "class Holder:", "    held = made()", "", "")
        page.write(f"read: {type_} = Holder().held" if name == "__get__" else "Holder().held = made()")
        yield page.text()


def _key_of(tree: TreeShape, method: Method) -> str:
    found = (shape.key for shape in tree.shapes.values() if isinstance(shape, FunctionShape) and shape.method is method)
    return next(found)


def _constructed(tree: TreeShape, page: Page, shape: ClassShape) -> str:
    """Return what is called to make an object of a class: the class, or one that fills its abstract methods in."""
    abstract = abstract_members(tree, shape)
    if not abstract:
        return page.symbol(shape.key)
    _write_class(page, "Mine", page.cls(shape), abstract)
    page.write("", "")
    return "Mine"


def _super_call(page: Page, shape: ClassShape, method: Method, takes: list[str], arguments: str) -> str:
    """Write an override that calls what it overrides."""
    _write_class(page, "Mine", page.cls(shape), abstract_members(page.tree, shape), close=False)
    returns = page.outline.type(method.signature.returns) or "None"
    lines = _function(
        "use", ["self", *takes], returns, f"super().{method.name}({arguments})", is_async=method.signature.is_async
    )
    page.write("", *(f"    {line}" for line in lines))
    return page.text()


def _function(name: str, takes: list[str], returns: str, expression: str, *, is_async: bool) -> list[str]:
    start, wait = ("async def", "await ") if is_async else ("def", "")
    give = "" if returns == "None" else "return "
    head = _laid_out(f"{start} {name}(", _SEPARATOR.join(takes), f") -> {returns}:")
    return [*head.splitlines(), *_indented(f"{give}{wait}{expression}").splitlines()]


# --- supplying ----------------------------------------------------------------------------------------


def abstract_members(tree: TreeShape, shape: ClassShape) -> list[Member]:
    """Return what a class leaves to its subclasses.

    Args:
        tree: The tree.
        shape: The class.
    """
    found: dict[str, Member] = {}
    for ancestor in tree.lineage(shape):
        for name, member in ancestor.members.items():
            found.setdefault(name, member)
    if shape.kind is ClassKind.PROTOCOL:  # its attributes have no value; of its methods some may do nothing
        return [one for one in found.values() if one.abstract and isinstance(one, Method)]
    return [member for member in found.values() if member.abstract]


def subclass(
    tree: TreeShape,
    shape: ClassShape,
    member: Method | None = None,
    *,
    override: bool = False,
    make: bool = False,
    derived: bool = False,
) -> str:
    """Return a plugin that derives from a class.

    Args:
        tree: The old tree.
        shape: The class.
        member: A method that it overrides.
        override: Whether it is marked as an override.
        make: Whether it makes an object of it.
        derived: Of a protocol: whether it makes an object of a class that leaves to the protocol what it may.
    """
    page = Page(tree, shape)
    members = abstract_members(tree, shape)
    if member is not None and all(one.name != member.name for one in members):
        members = [*members, member]
    marked = member.name if override and member is not None else ""
    _write_class(page, "Mine", page.cls(shape), members, marked=marked)
    if derived:
        page.write("", "", *_function("make", [], "Mine", "Mine()", is_async=False))
    if make:
        signature = tree.constructor(shape)
        needed = [one for one in signature.params if not one.optional]
        takes = [f"{one.name}: {page.outline.type(one.type) or 'object'}" for one in needed]
        passed = ", ".join(f"{one.name}={one.name}" if one.kind is ParamKind.KEYWORD else one.name for one in needed)
        page.write("", "", *_function("make", takes, "Mine", f"Mine({passed})", is_async=False))
    return page.text()


def protocol_supplied(tree: TreeShape, shape: ClassShape) -> str:
    """Return a plugin that supplies an object of a protocol: a function where that is enough.

    Args:
        tree: The old tree.
        shape: The protocol.
    """
    page = Page(tree, shape)
    members = [member for one in reversed(tree.lineage(shape)) for member in one.members.values()]
    if len(members) == 1 and isinstance(members[0], Method) and members[0].name == "__call__":
        page.write(page.implementation(members[0], "supplied"), f"    {_FAIL}", "", "")
        page.write(f"accepted: {page.cls(shape)} = supplied")
    else:
        _write_class(page, "Mine", "", members)
        page.write("", "", f"accepted: {page.cls(shape)} = Mine()")
    return page.text()


def _write_class(
    page: Page, name: str, base: str, members: Sequence[Member], *, marked: str = "", close: bool = True
) -> None:
    page.write(f"class {name}{f'({base})' if base else ''}:")
    blank: list[str] = []
    for member in members:
        page.write(*blank, *_written(page, member, marked=member.name == marked))
        blank = [""] if isinstance(member, Method) else []
    if not members and close:
        page.write("    pass")


def _written(page: Page, member: Member, *, marked: bool) -> Iterator[str]:
    if marked:
        yield f"    @{page.name('typing_extensions', 'override')}"
    if isinstance(member, Method):
        decorators = {MethodForm.CLASS: "classmethod", MethodForm.STATIC: "staticmethod"}
        if member.form in decorators:
            yield f"    @{decorators[member.form]}"
        yield _indented(page.implementation(member, member.name, first_of(member)))
        yield f"        {_FAIL}"
    elif member.writable is not None:
        type_ = page.outline.type(member.type)
        yield (
            f"    {member.name}: {page.name('typing', 'ClassVar')}[{type_}]"
            if member.in_class
            else f"    {member.name}: {type_}"
        )
    else:
        yield from (
            "    @property",
            f"    def {member.name}(self) -> {page.outline.type(member.type)}:",
            f"        {_FAIL}",
        )


# --- reading ------------------------------------------------------------------------------------------


def _attribute(tree: TreeShape, shape: ClassShape, attribute: Attribute) -> Iterator[str]:
    name = attribute.name
    read = f'value["{name}"]' if shape.kind is ClassKind.TYPED_DICT else f"value.{name}"
    if attribute.type is not None:
        page = Page(tree, shape)
        page.write(f"def use(value: {page.cls(shape)}) -> {page.outline.type(attribute.type)}:", f"    return {read}")
        yield page.text()
    if attribute.writable is not None:
        page = Page(tree, shape)
        page.write(f"def use(value: {page.cls(shape)}, new: {page.outline.type(attribute.writable)}) -> None:")
        page.write(f"    {read} = new")
        yield page.text()
    if attribute.value not in {None, "..."}:
        page = Page(tree, shape)
        page.write(f"expected: {page.name('typing', 'Literal')}[{attribute.value}] = {page.symbol(shape.key)}.{name}")
        yield page.text()


def _alias(tree: TreeShape, shape: AliasShape) -> Iterator[str]:
    for takes_alias in (True, False):
        page = Page(tree)
        types = [page.symbol(shape.key), page.outline.type(shape.type)]
        taken, given = types if takes_alias else types[::-1]
        page.write(f"def use(value: {taken}) -> {given}:", "    return value")
        yield page.text()


def generic_uses(tree: TreeShape, variable: str) -> Iterator[str]:
    """Yield plugins that lean on the variance of the classes that are generic in a type variable.

    Args:
        tree: The old tree.
        variable: The key of the variable.
    """
    for shape in tree.classes():
        if shape.type_variables == (variable,):
            for narrow, wide in (("bool", "int"), ("int", "bool")):
                page = Page(tree)
                name = page.symbol(shape.key)
                page.write(f"def use(value: {name}[{narrow}]) -> {name}[{wide}]:", "    return value")
                yield page.text()


def _constant(tree: TreeShape, shape: ConstantShape) -> Iterator[str]:
    if shape.value not in {None, "..."}:
        page = Page(tree)
        page.write(f"expected: {page.name('typing', 'Literal')}[{shape.value}] = {page.symbol(shape.key)}")
        yield page.text()
    if shape.type is not None:
        page = Page(tree)
        page.write(f"expected: {page.outline.type(shape.type)} = {page.symbol(shape.key)}")
        yield page.text()
        page = Page(tree)
        module, _, name = shape.key.partition(":")
        home = page.name(*module.rsplit(".", 1))
        page.write(f"def use(value: {page.outline.type(shape.type)}) -> None:", f"    {home}.{name} = value")
        yield page.text()


def _enum_uses(tree: TreeShape, shape: ClassShape, member: str, ways: Sequence[Direction]) -> Iterator[str]:
    """Yield plugins that use an enum: a member by name, by value; all members, for what it is."""
    attribute = shape.members.get(member)
    if isinstance(attribute, Method) or (attribute is not None and attribute.is_property):
        yield from member_uses(tree, shape, member, [Direction.CALLS])
    elif isinstance(attribute, Attribute):
        page = Page(tree)
        page.write(f"chosen = {page.symbol(shape.key)}.{member}")
        yield page.text()
        if attribute.value is not None:
            page = Page(tree)
            literal = page.name("typing", "Literal")
            page.write(f"expected: {literal}[{attribute.value}] = {page.symbol(shape.key)}.{member}.value")
            yield page.text()
    if Direction.CALLS in ways:
        yield _matched(tree, shape)
    for base in sorted(tree.ancestry(shape) - {shape.key}):
        page = Page(tree)
        page.write(f"def use(value: {page.symbol(shape.key)}) -> {_base(page, base)}:", "    return value")
        yield page.text()


def _matched(tree: TreeShape, shape: ClassShape) -> str:
    page = Page(tree)
    cases = [f"{shape.name}.{one.name}" for one in shape.enum_members]
    line = f"        case {' | '.join(cases)}:"
    if len(line) > _WIDTH:
        rows = "\n".join(f"            {'| ' if place else '  '}{case}" for place, case in enumerate(cases))
        line = f"        case (\n{rows}\n        ):"
    page.write(f"def use(value: {page.symbol(shape.key)}) -> None:", "    match value:", line)
    page.write("            pass", "        case _:", f"            {page.name('typing', 'assert_never')}(value)")
    return page.text()

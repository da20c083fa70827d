"""Shapes as text: for people, and in a normal form in which two trees state the same thing by the same words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codegen.compat.reading.spelling import Flow, Plain, spell
from pipelex.spi.stub_tree import (
    Attribute,
    ClassKind,
    ClassShape,
    ConstantShape,
    FunctionShape,
    Method,
    MethodForm,
    ParamKind,
    RecordOptions,
    VariableShape,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from codegen.compat.reading.spelling import Speller
    from pipelex.spi.stub_tree import Member, Param, Shape, Signature, Type


class Canonical:
    """Spells types so that equal types of two trees are equal texts.

    Args:
        identity: Gives the one name of a symbol that has been moved or renamed.
    """

    def __init__(self, identity: Callable[[str], str]) -> None:
        self._identity = identity

    def symbol(self, key: str, flow: Flow) -> str:  # noqa: ARG002  # the protocol's parameter
        """Spell a published class by its key."""
        return self._identity(key)

    def variable(self, key: str, flow: Flow) -> str:  # noqa: ARG002  # the protocol's parameter
        """Spell a type variable by its key."""
        return self._identity(key)

    def outside(self, name: str, flow: Flow) -> str:  # noqa: ARG002  # the protocol's parameter
        """Spell a name from outside in full."""
        return name

    def union(self, parts: list[str]) -> str:
        """Spell a choice in sorted order."""
        return " | ".join(sorted(set(parts)))

    def annotated(self, type_: str, metadata: list[str]) -> str:  # noqa: ARG002  # the protocol's parameter
        """Spell a type without its metadata, which no type checker looks at."""
        return type_

    def anything(self) -> str:
        """Spell the parameters of a callable that takes anything."""
        return "..."


class Verbatim(Canonical):
    """Spells types as :class:`Canonical` does, their metadata included."""

    def annotated(self, type_: str, metadata: list[str]) -> str:
        """Spell a type with its metadata."""
        return f"Annotated[{', '.join([type_, *metadata])}]"


class Outline:
    """Writes shapes as text.

    Args:
        speller: How types are written; for people by default.
    """

    def __init__(self, speller: Speller | None = None) -> None:
        self._speller = speller or Plain()
        self._is_normal = isinstance(speller, Canonical)

    def type(self, type_: Type | None) -> str:
        """Write a type.

        Args:
            type_: The type.
        """
        return spell(type_, self._speller) if type_ is not None else ""

    def param(self, param: Param) -> str:
        """Write a parameter.

        Args:
            param: The parameter.
        """
        stars = {ParamKind.STAR: "*", ParamKind.DOUBLE_STAR: "**"}.get(param.kind, "")
        default = f" = {param.default}" if param.default is not None else ""
        return f"{stars}{param.name}: {self.type(param.type)}{default}"

    def signature(self, signature: Signature, name: str, first: str = "") -> str:
        """Write a signature.

        Args:
            signature: The signature.
            name: The name of the callable.
            first: What is before the parameters: ``self`` or ``cls``.
        """
        returns = f" -> {self.type(signature.returns)}" if signature.returns is not None else ""
        start = "async def" if signature.is_async else "def"
        params = in_one_order(signature.params) if self._is_normal else signature.params
        return f"{start} {name}({parameter_list(params, self.param, first)}){returns}"

    def member(self, member: Member) -> str:
        """Write a member of a class.

        Args:
            member: The member.
        """
        if isinstance(member, Attribute):
            return self._attribute(member)
        marks = [f"@deprecated({member.deprecated}) "] if member.deprecated else []
        marks += [*(f"{mark} " for mark in member.unread if mark.startswith("@")), *_marks(member)]
        form = {MethodForm.CLASS: "@classmethod ", MethodForm.STATIC: "@staticmethod "}.get(member.form, "")
        first = {MethodForm.CLASS: "cls", MethodForm.STATIC: ""}.get(member.form, "self")
        lines = (self.signature(signature, member.name, first) for signature in member.signatures)
        return "\n".join(f"{''.join(marks)}{form}{line}" for line in lines)

    def _attribute(self, attribute: Attribute) -> str:
        if attribute.is_property:
            read, taken = self.type(attribute.type), self.type(attribute.writable)
            setter = f" (may be set{f' to {taken}' if taken != read else ''})" if taken else ""
            setter += " (may be deleted)" if attribute.has_deleter else ""
            abstract = "@abstractmethod " if attribute.abstract else ""
            abstract += f"@deprecated({attribute.deprecated}) " if attribute.deprecated else ""
            final = "@final " if attribute.final else ""
            return f"{final}{abstract}@property {attribute.name}: {read}{setter}"
        type_ = self.type(attribute.type)
        for word, on in (("Final", attribute.final), ("ClassVar", attribute.in_class)):
            type_ = f"{word}[{type_}]" if on else type_
        value = f" = {attribute.value}" if attribute.value is not None else ""
        left_out = [f"{one}=False" for one in sorted(attribute.synthesized)]
        unread = "".join(f" ({one})" for one in [*left_out, *attribute.unread])
        return f"{attribute.name}{f': {type_}' if type_ else ''}{value}{unread}"

    def header(self, shape: ClassShape) -> str:
        """Write the first line of a class.

        Args:
            shape: The class.
        """
        given = vars(shape.options).items() - vars(RecordOptions()).items()
        options = ", ".join(f"{word}={on}" for word, on in sorted(given))
        record = f"@dataclass({options}) " if shape.kind is ClassKind.RECORD else ""
        known = (("@final ", shape.final), ("@runtime_checkable ", shape.runtime_checkable))
        marks = f"@deprecated({shape.deprecated}) " if shape.deprecated else ""
        marks += "".join(mark for mark, on in known if on)
        bases = ", ".join(self.type(base) for base in shape.bases)
        return f"{marks}{record}class {shape.name}{f'({bases})' if bases else ''}"

    def shape(self, shape: Shape) -> str:
        """Write a whole symbol.

        Args:
            shape: The symbol.
        """
        if isinstance(shape, ClassShape):
            lines = [f"    {line}" for one in shape.members.values() for line in self.member(one).splitlines()]
            return "\n".join([f"{self.header(shape)}:", *(lines or ["    ..."])])
        if isinstance(shape, FunctionShape):
            return "\n".join(self.signature(one, shape.method.name) for one in shape.method.signatures)
        name = shape.key.partition(":")[2]
        if isinstance(shape, ConstantShape):
            return f"{name}: {self.type(shape.type)}{f' = {shape.value}' if shape.value is not None else ''}"
        if isinstance(shape, VariableShape):
            return f"{name} = {variable_text(shape, self.type)}"
        return f"{name} = {self.type(shape.type)}"


def _marks(method: Method) -> list[str]:
    return [mark for mark, on in (("@abstractmethod ", method.abstract), ("@final ", method.final)) if on]


def first_of(member: Member) -> str:
    """Return the name of a method's first parameter by convention.

    Args:
        member: The method.
    """
    if isinstance(member, Method) and member.form is MethodForm.STATIC:
        return ""
    return "cls" if isinstance(member, Method) and member.form is MethodForm.CLASS else "self"


def parameter_list(
    params: Iterable[Param], write: Callable[[Param], str], first: str = "", separator: str = ", "
) -> str:
    """Write the parameters of a callable, with the marks between their kinds.

    Args:
        params: The parameters, in the order of their kinds.
        write: Writes one.
        first: What is before them.
        separator: What is between them.
    """
    parts = [first] if first else []
    before: ParamKind | None = None
    for param in params:
        if before is ParamKind.POSITIONAL_ONLY and param.kind is not before:
            parts.append("/")
        if param.kind is ParamKind.KEYWORD and before not in {ParamKind.KEYWORD, ParamKind.STAR}:
            parts.append("*")
        parts.append(write(param))
        before = param.kind
    if before is ParamKind.POSITIONAL_ONLY:
        parts.append("/")
    return separator.join(parts)


def in_one_order(params: Iterable[Param]) -> list[Param]:
    """Return parameters with those that are keyword-only by name: their order means nothing.

    Args:
        params: The parameters, in the order of their kinds.
    """
    kinds = list(ParamKind)
    return sorted(params, key=lambda one: (kinds.index(one.kind), one.name if one.kind is ParamKind.KEYWORD else ""))


def variable_text(shape: VariableShape, write: Callable[[Type], str], name: str | None = None) -> str:
    """Write the call that makes a type variable.

    Args:
        shape: The variable.
        write: Writes a type.
        name: The name that it is given; its own by default.
    """
    import ast

    bounds = [write(bound) for bound in shape.bounds]
    keywords = {one.arg: ast.unparse(one.value) for one in shape.call.keywords if one.arg not in {None, "bound"}}
    if any(one.arg == "bound" for one in shape.call.keywords):
        bounds = [f"bound={bounds[-1]}"]
    variances = [f"{key}={value}" for key, value in sorted(keywords.items(), key=str)]
    function = ast.unparse(shape.call.func)
    return f'{function}("{name or shape.key.partition(":")[2]}"{"".join(f", {one}" for one in [*bounds, *variances])})'

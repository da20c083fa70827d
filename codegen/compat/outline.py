"""Shapes as text: for people, and in a normal form in which two trees say the same thing by the same words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codegen.compat.spelling import Flow, Plain, spell
from pipelex.spi.stub_tree import (
    Attribute,
    ClassShape,
    ConstantShape,
    FunctionShape,
    Method,
    MethodForm,
    ParamKind,
    VariableShape,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from codegen.compat.spelling import Speller
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


class Outline:
    """Writes shapes as text.

    Args:
        speller: How types are written; for people by default.
    """

    def __init__(self, speller: Speller | None = None) -> None:
        self._speller = speller or Plain()

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
            first: What stands before the parameters: ``self`` or ``cls``.
        """
        returns = f" -> {self.type(signature.returns)}" if signature.returns is not None else ""
        start = "async def" if signature.is_async else "def"
        return f"{start} {name}({parameter_list(signature.params, self.param, first)}){returns}"

    def member(self, member: Member) -> str:
        """Write a member of a class.

        Args:
            member: The member.
        """
        if isinstance(member, Attribute):
            if member.is_property:
                setter = " (may be set)" if member.writable is not None else ""
                return f"@property {member.name}: {self.type(member.type)}{setter}"
            value = f" = {member.value}" if member.value is not None else ""
            return f"{member.name}{f': {self.type(member.type)}' if member.type else ''}{value}"
        marks = [mark for mark, on in (("@abstractmethod ", member.abstract), ("@final ", member.final)) if on]
        form = {MethodForm.CLASS: "@classmethod ", MethodForm.STATIC: "@staticmethod "}.get(member.form, "")
        first = {MethodForm.CLASS: "cls", MethodForm.STATIC: ""}.get(member.form, "self")
        lines = (self.signature(signature, member.name, first) for signature in member.signatures)
        return "\n".join(f"{''.join(marks)}{form}{line}" for line in lines)

    def header(self, shape: ClassShape) -> str:
        """Write the first line of a class.

        Args:
            shape: The class.
        """
        options = [word for word, on in (("frozen", shape.frozen), ("kw_only", shape.kw_only)) if on]
        record = f"@dataclass({', '.join(f'{word}=True' for word in options)}) " if shape.kind == "dataclass" else ""
        marks = "".join(
            mark for mark, on in (("@final ", shape.final), ("@runtime_checkable ", shape.runtime_checkable)) if on
        )
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
        first: What stands before them.
        separator: What stands between them.
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

"""The call shapes of the contract, read from the stubs that state them: what plugins are called with, and return.

Generator, scaffold and check write or compare the parameters of a plugin's callables with what is read here, so that a
keyword is stated in the protocol alone.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipelex.spi.python_text import imports
from pipelex.spi.stub_tree import PACKAGE, StubError, module_of, read_stub_tree

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from pipelex.spi.stub_tree import Signature, Type

MAKE_WORKER = "pipelex.plugins.inference_backend_registry:MakeWorkerFn"
LIST_MODELS = "pipelex.plugins.model_lister_registry:ListModelsFn"


class CallParameter(NamedTuple):
    """A keyword of a call shape.

    Attributes:
        name: The keyword.
        annotation: Its type, as the protocol writes it.
        default: The text of its default; ``None`` where it is always passed.
    """

    name: str
    annotation: str
    default: str | None = None

    def __str__(self) -> str:
        return f"{self.name}: {self.annotation}{f' = {self.default}' if self.default is not None else ''}"


class CallShape(NamedTuple):
    """How a plugin's callable is called.

    Attributes:
        parameters: The keywords, in the order of the protocol.
        returns: The type of the result, as the protocol writes it.
        imports: What the types of the keywords have to import, as ``module:name``.
        result_imports: What the type of the result has to import, likewise.
    """

    parameters: tuple[CallParameter, ...]
    returns: str
    imports: tuple[str, ...]
    result_imports: tuple[str, ...]

    def lines(self, *, used: Collection[str] | None = None, indent: int = 4) -> str:
        """Write the keywords, one a line.

        Args:
            used: The keywords that the function's body reads; the others are marked for the linter. All if not given.
            indent: How far each line is indented.
        """
        return "".join(
            f"{' ' * indent}{one},{'' if used is None or one.name in used else '  # noqa: ARG001'}\n"
            for one in self.parameters
        )


def import_block(*needed: CallShape | str, indent: int = 0) -> str:
    """Write the imports of a module that defines callables of some call shapes: the standard library's, then ours.

    Args:
        needed: The call shapes, and what the module imports besides, as ``module:name``.
        indent: How far the lines are indented, the first one too.
    """
    references = {
        name for one in needed for name in ((one,) if isinstance(one, str) else (*one.imports, *one.result_imports))
    }
    ours = {reference for reference in references if reference.startswith(f"{PACKAGE}.")}
    groups = [sorted(group) for group in (references - ours, ours) if group]
    margin = " " * indent
    return "\n\n".join(f"{margin}{imports(group, indent)}" for group in groups)


def call_shape(stubs: Mapping[str, str], protocol: str) -> CallShape:
    """Read a call shape.

    Args:
        stubs: The text of each stub by its path below the tree; that of the protocol's module is read.
        protocol: The protocol, as ``module:name``.

    Raises:
        StubError: There is no such stub, or it states no such protocol.
    """
    module = protocol.partition(":")[0]
    path = next((path for path in stubs if module_of(path) == module), None)
    if path is None:
        raise StubError(f"{module.replace('.', '/')}.pyi", 0, "no such stub")
    signature = read_stub_tree({path: stubs[path]}, module).signature(protocol)
    if signature is None:
        raise StubError(path, 0, f"states no protocol '{protocol.partition(':')[2]}' with a __call__")
    return _shape_of(signature)


@cache
def shipped_call_shape(protocol: str) -> CallShape:
    """Read a call shape of the API version of this installation.

    Args:
        protocol: The protocol, as ``module:name``.

    Raises:
        StubError: The stub is missing, or states no such protocol.
    """
    from pipelex.spi.lock import read_spi_lock

    path = f"{protocol.partition(':')[0].replace('.', '/')}.pyi"
    file = Path(__file__).with_name(f"v{read_spi_lock().api_version}") / path
    try:
        return call_shape({path: file.read_text(encoding="utf-8")}, protocol)
    except (OSError, UnicodeDecodeError) as exc:
        raise StubError(path, 0, f"cannot be read: {exc}") from exc


def _shape_of(signature: Signature) -> CallShape:
    types = [(param, param.type) for param in signature.params if param.type is not None]
    returns = signature.returns
    return CallShape(
        parameters=tuple(CallParameter(param.name, ast.unparse(type_.node), param.default) for param, type_ in types),
        returns=ast.unparse(returns.node) if returns is not None else "None",
        imports=tuple(sorted({name for _, type_ in types for name in _imports_of(type_)})),
        result_imports=tuple(sorted(set(_imports_of(returns)))) if returns is not None else (),
    )


def _imports_of(type_: Type) -> Iterator[str]:
    """Yield what the names of a type refer to, as ``module:name``; builtins need no import."""
    for node in ast.walk(type_.node):
        if isinstance(node, ast.Name):
            meaning = type_.module.resolve(node.id)
            module, separator, name = meaning.rpartition(":" if ":" in meaning else ".")
            if separator and module != "builtins":
                yield f"{module}:{name}"

"""The call shapes of the contract for the emitters, with the keywords that the generated code reads checked."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from codegen.errors import raise_any
from pipelex.spi.call_shapes import LIST_MODELS, MAKE_WORKER, CallShape, call_shape
from pipelex.spi.stub_tree import StubError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codegen.contract import Contract
    from codegen.errors import Problem

MADE_OF = frozenset({"inference_model", "reporting_delegate"})
"""The keywords of ``MakeWorkerFn`` that a built-in's closure reads."""
CLIENT_MADE_OF = frozenset({"backend", "sdk_clients"})
"""Those that it reads besides where its worker has a client."""
LISTED_OF = frozenset({"sdk", "backend_name", "backend"})
"""The keywords of ``ListModelsFn`` that a built-in's lister reads."""


class CallShapes(NamedTuple):
    """Both call shapes.

    Attributes:
        make_worker: How a backend's callable is called.
        list_models: How a model lister is called.
    """

    make_worker: CallShape
    list_models: CallShape


def read_call_shapes(contract: Contract, stubs: dict[str, str]) -> CallShapes:
    """Read the call shapes from the stubs that were rendered.

    Args:
        contract: The contract, for the place of an error.
        stubs: The text of each stub by its path below the tree.

    Raises:
        CodegenError: A protocol is missing, lacks a keyword that the generated code reads, or has a default that
            generated code cannot repeat.
    """
    shapes, problems = [], []
    for protocol, needed in ((MAKE_WORKER, MADE_OF | CLIENT_MADE_OF), (LIST_MODELS, LISTED_OF)):
        try:
            shape = call_shape(stubs, protocol)
        except StubError as exc:
            text = f"{exc.problem}; expected the call shape '{protocol}', which the built-ins are generated from"
            problems.append(contract.spec_file.problem(("symbols", protocol), text))
            continue
        shapes.append(shape)
        problems += [_problem(contract, protocol, text) for text in _faults(shape, needed)]
    raise_any(problems)
    return CallShapes(*shapes)


def _faults(shape: CallShape, needed: frozenset[str]) -> Iterator[str]:
    names = [one.name for one in shape.parameters]
    for name in sorted(needed.difference(names)):
        yield (
            f"has no keyword '{name}'; expected it: codegen/templates/builtins.py.j2 and codegen/call_shapes.py "
            "write closures that read it"
        )
    for one in shape.parameters:
        if one.default is not None and not _is_literal(one.default):
            yield f"the default of '{one.name}' is no literal; expected one, or None: generated code repeats it"


def _is_literal(text: str) -> bool:
    try:
        return ast.literal_eval(text) is not ...
    except ValueError:
        return False


def _problem(contract: Contract, protocol: str, text: str) -> Problem:
    module, _, name = protocol.partition(":")
    source = contract.modules[module].source
    return source.problem(source.definitions[name].node, protocol, text)

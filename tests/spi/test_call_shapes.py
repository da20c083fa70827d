"""A call shape is read from the stub of its protocol: keywords, types, defaults, and what they import."""

from __future__ import annotations

import pytest

from pipelex.plugins.contribution_checks import LIST_MODELS_KEYWORDS, MAKE_WORKER_KEYWORDS
from pipelex.spi.call_shapes import (
    LIST_MODELS,
    MAKE_WORKER,
    CallParameter,
    call_shape,
    import_block,
    shipped_call_shape,
)
from pipelex.spi.stub_tree import StubError

STUB = """\
from collections.abc import Sequence
from typing import Protocol

from pipelex.cogt.job import Job, Result

class RunFn(Protocol):
    def __call__(self, *, job: Job, names: Sequence[Job | None], retries: int = 3) -> Result: ...

class Plain:
    pass
"""
STUBS = {"pipelex/run.pyi": STUB}


def test_keywords_types_defaults_and_imports_are_read() -> None:
    shape = call_shape(STUBS, "pipelex.run:RunFn")
    assert (
        CallParameter("job", "Job"),
        CallParameter("names", "Sequence[Job | None]"),
        CallParameter("retries", "int", "3"),
    ) == shape.parameters
    assert "Result" == shape.returns
    assert ("collections.abc:Sequence", "pipelex.cogt.job:Job") == shape.imports
    assert ("pipelex.cogt.job:Result",) == shape.result_imports


def test_a_keyword_that_the_body_does_not_read_is_marked_for_the_linter() -> None:
    shape = call_shape(STUBS, "pipelex.run:RunFn")
    lines = "  job: Job,\n  names: Sequence[Job | None],  # noqa: ARG001\n  retries: int = 3,\n"
    assert lines == shape.lines(used={"job", "retries"}, indent=2)
    assert "noqa" not in shape.lines()


def test_imports_are_grouped_and_merged() -> None:
    shape = call_shape(STUBS, "pipelex.run:RunFn")
    block = "  from collections.abc import Sequence\n\n  from pipelex.cogt.job import Job, Other, Result"
    assert block == import_block(shape, "pipelex.cogt.job:Other", indent=2)


@pytest.mark.parametrize("protocol", ["pipelex.run:Absent", "pipelex.absent:RunFn"])
def test_a_protocol_that_no_stub_states_is_an_error(protocol: str) -> None:
    with pytest.raises(StubError, match=r"no such stub|states no protocol 'Absent'"):
        call_shape(STUBS, protocol)


@pytest.mark.parametrize(
    ("protocol", "keywords"), [(MAKE_WORKER, MAKE_WORKER_KEYWORDS), (LIST_MODELS, LIST_MODELS_KEYWORDS)]
)
def test_the_shipped_shape_is_the_one_that_registering_asks_for(protocol: str, keywords: tuple[str, ...]) -> None:
    assert keywords == tuple(one.name for one in shipped_call_shape(protocol).parameters)

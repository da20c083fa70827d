"""What the rewrites know of the place of a node."""

from __future__ import annotations

import libcst as cst
import pytest

from pipelex.upgrading.rewrites.imports import is_type_only
from pipelex.upgrading.source_text import SourceText


@pytest.mark.parametrize(
    ("text", "type_only"),
    [
        ("if TYPE_CHECKING:\n    from a import b\n", True),
        ("if typing.TYPE_CHECKING is True:\n    from a import b\n", True),
        ("if not TYPE_CHECKING:\n    pass\nelse:\n    from a import b\n", True),
        ("if not TYPE_CHECKING:\n    from a import b\n", False),
        ("if TYPE_CHECKING:\n    pass\nelse:\n    from a import b\n", False),
        ("if TYPE_CHECKING:\n    pass\nelif other:\n    from a import b\n", False),
        ("if other:\n    from a import b\n", False),
        ("from a import b\n", False),
    ],
    ids=["guarded", "compared", "in the other branch", "hidden", "at run time", "in an elif", "no guard", "plain"],
)
def test_an_import_is_type_only_where_a_type_checker_alone_sees_it(text: str, type_only: bool) -> None:
    source = SourceText("module", "module.py", text)
    [node] = source.nodes(cst.ImportFrom)
    assert type_only is is_type_only(source, node)

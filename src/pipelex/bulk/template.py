"""A prompt with the names of columns in it: ``Sentiment of: {text}``."""

from __future__ import annotations

from string import Formatter
from typing import TYPE_CHECKING

from pipelex.bulk.cells import cell_text
from pipelex.bulk.exceptions import MissingColumnError, RowsFormatError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


BRACES = "Write {{ and }} for plain braces"
"""The fix where what is in braces was not meant as the name of a column."""


class Template:
    """A text with the names of columns in braces. Plain braces are written ``{{`` and ``}}``.

    Args:
        text: The text.

    Attributes:
        text: The text.
        columns: The columns that it names.

    Raises:
        RowsFormatError: A brace is not closed, or holds more than the name of a column.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            self._parts = [(literal, name, bool(spec or how)) for literal, name, spec, how in Formatter().parse(text)]
        except ValueError as exc:
            raise RowsFormatError(file="the prompt", reason=f"{exc}. {BRACES}") from exc
        for _, name, has_more in self._parts:
            if has_more or name == "":
                reason = f"{{{name}...}} is no name of a column. {BRACES}"
                raise RowsFormatError(file="the prompt", reason=reason)
        self.columns = tuple(dict.fromkeys(name for _, name, _ in self._parts if name is not None))

    def render(self, row: Mapping[str, object]) -> str:
        """Return the text for a row.

        Raises:
            MissingColumnError: The row has no such column.
            RowsFormatError: A column that is named holds bytes.
        """
        check_columns(self.columns, row, where="this row", hint=f"{BRACES}.")
        for column in self.columns:
            if isinstance(row[column], bytes):
                reason = (
                    f"column {column!r} holds bytes, which are no text: pass it as --image-column or --document-column"
                )
                raise RowsFormatError(file="the prompt", reason=reason)
        return "".join(literal + (cell_text(row[name]) if name is not None else "") for literal, name, _ in self._parts)


def check_columns(wanted: Iterable[str], known: Iterable[str], *, where: str = "the rows", hint: str = "") -> None:
    """Check that there are some columns.

    Args:
        wanted: The columns.
        known: Those that there are.
        where: Which row, where not all of them are checked.
        hint: What else may be wrong where one is missing, as a sentence.

    Raises:
        MissingColumnError: One is missing; the error names those that there are, nearest first.
    """
    known = tuple(known)
    for column in wanted:
        if column not in known:
            from difflib import get_close_matches

            near = get_close_matches(column, known, n=3)
            known = tuple(dict.fromkeys((*near, *known)))
            raise MissingColumnError(column=column, known=known, where=where, hint=hint)

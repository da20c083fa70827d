"""The formats of files of rows and of results, by the endings of their names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

    FileFormat: TypeAlias = Literal["jsonl", "csv", "tsv", "parquet", "arrow"]

FORMATS: Mapping[str, FileFormat] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
}
"""The format of rows and of results by the ending of a file's name."""
DELIMITERS: Mapping[str, str] = {"csv": ",", "tsv": "\t"}
TABLES = ("parquet", "arrow")
"""The formats that need pyarrow."""


def format_of(name: str) -> FileFormat | None:
    """Return the format that a file's name states; ``None`` where its ending is none of ``FORMATS``."""
    return FORMATS.get(Path(name).suffix.lower())

"""How the answers of each family become columns of the results of ``pipelex map``, and files beside them."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from hashlib import sha256
from typing import TYPE_CHECKING, cast

from pipelex.bulk.results import ANSWER, value_columns
from pipelex.cli.extract import PAGE_BREAK
from pipelex.generated.families import EXTRACT, IMG_GEN, SEARCH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelex.bulk.ledger import Entry
    from pipelex.bulk.results import Shape
    from pipelex.cli.written_files import StagedFiles
    from pipelex.cogt.inference.inference_worker_abstract import InferenceWorkerAbstract
    from pipelex.plugins.family import Family


class AnswerShaper:
    """Makes the columns of the answers; images become files in a folder beside the results, named by their row.

    Args:
        folder: The name of that folder.
        files: Where the files are staged.

    Attributes:
        staged: The digests of the files that are staged, by their paths from the folder of the results.
    """

    def __init__(self, folder: str, files: StagedFiles) -> None:
        self._folder = folder
        self._files = files
        self.staged: dict[str, str] = {}  # tables of results are made in two passes

    def shape_of(self, family: Family[InferenceWorkerAbstract], *, is_object: bool) -> Shape:
        """Return how the answers of a family become columns.

        Args:
            family: The family.
            is_object: Whether they are objects of a schema.
        """
        if is_object:
            return value_columns
        shapes = {IMG_GEN.member: self._images, EXTRACT.member: self._pages, SEARCH.member: _search_columns}
        return shapes.get(family.member, value_columns)

    def _images(self, entry: Entry, value: object) -> dict[str, object]:
        images = cast("list[dict[str, str]]", value)
        return {ANSWER: [self._file(entry, str(number), image) for number, image in enumerate(images, start=1)]}

    def _pages(self, entry: Entry, value: object) -> dict[str, object]:
        pages = cast("list[dict[str, object]]", value)
        failed = [(page["number"], cast("dict[str, object]", page["error"])) for page in pages if page["error"]]
        columns: dict[str, object] = {
            ANSWER: PAGE_BREAK.join(str(page["text"]) for page in pages),
            "pages": len(pages),
            "page_errors": [
                {"page": number, "error": error["error"], "message": error["message"]} for number, error in failed
            ]
            or None,
        }
        files = [name for page in pages for name in self._page_files(entry, page)]
        tables = [table for page in pages for table in cast("list[object]", page["tables"])]
        return {**columns, **({"files": files} if files else {}), **({"tables": tables} if tables else {})}

    def _page_files(self, entry: Entry, page: Mapping[str, object]) -> list[str]:
        images = cast("list[dict[str, str]]", page["images"])
        labels = [f"page{page['number']}-image{number}" for number in range(1, len(images) + 1)]
        if page["view"]:
            images, labels = [*images, cast("dict[str, str]", page["view"])], [*labels, f"page{page['number']}-view"]
        return [self._file(entry, label, image) for label, image in zip(labels, images, strict=True)]

    def _file(self, entry: Entry, label: str, image: Mapping[str, str]) -> str:
        """Stage a file, and return its path from the folder of the results."""
        from pipelex.cli.written_files import ending_of

        name = f"{self._folder}/{_row_name(entry)}-{label}{ending_of(image['mime_type'])}"
        if name not in self.staged:
            data = urlsafe_b64decode(image["data"])  # as pydantic writes bytes
            self._files.add(name).write_bytes(data)
            self.staged[name] = digest_of(name, data)
        return name


def _row_name(entry: Entry) -> str:
    """Return what the files of a row are named by: its number, or its key where the last input does not have it."""
    if entry.position >= 0:
        return f"row{entry.position + 1}"
    return f"earlier-{sha256(repr(entry.key).encode()).hexdigest()[:12]}"


def digest_of(name: str, data: bytes) -> str:
    """Return the SHA-256 digest of the name and the content of a file: a copy with another name has another one."""
    return sha256(name.encode() + b"\0" + data).hexdigest()


def _search_columns(_entry: Entry, value: object) -> dict[str, object]:
    answer = cast("dict[str, object]", value)
    return {ANSWER: answer["text"], "sources": answer["sources"]}

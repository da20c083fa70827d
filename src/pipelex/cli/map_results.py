"""The results of ``pipelex map``: where they go, whether they may go there, and the files beside them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from pipelex.bulk.formats import FileFormat
    from pipelex.bulk.rows import RowSource
    from pipelex.cli.written_files import StagedFiles
    from pipelex.cogt.inference.inference_worker_abstract import InferenceWorkerAbstract
    from pipelex.plugins.family import Family


_CHANGED = (
    "it was changed after the last run wrote it, and would be replaced. Move it away: the same command writes it again "
    "from the ledger"
)


def ledger_of(out: Path) -> Path:
    """Return the ledger of a file of results: beside it."""
    return out.with_name(f"{out.name}.ledger")


class MapResults:
    """The results of one command.

    Args:
        out: Their file.
        source: The rows of the input.
        family: The family of the answers.
        answer_column: The column of an answer that is one value.
        is_object: Whether the answers are objects of a schema.
        with_usage: Whether to write what each row used and cost.

    Attributes:
        out: Their file.
        ledger: The ledger beside it.
    """

    def __init__(
        self,
        out: Path,
        source: RowSource,
        family: Family[InferenceWorkerAbstract],
        *,
        answer_column: str,
        is_object: bool,
        with_usage: bool,
    ) -> None:
        self.out = out
        self.ledger = ledger_of(out)
        self._source = source
        self._family = family
        self._answer_column = answer_column
        self._is_object = is_object
        self._with_usage = with_usage
        self._is_new = False

    @property
    def _folder(self) -> Path:
        return self.out.with_name(f"{self.out.name}.files")

    def _format(self) -> FileFormat:
        from pipelex.bulk.formats import FORMATS, format_of

        found = format_of(self.out.name)
        if found is None:
            msg = f"{self.out}: results are written to files that end in {', '.join(FORMATS)}."
            raise click.UsageError(msg)
        return found

    def check(self, *, new: bool) -> None:
        """Check before the first call whether the results can be written.

        Args:
            new: Whether what is there may be dropped.

        Raises:
            click.UsageError: The name has no known ending, or names the input; or the answers' column is taken.
            ResultsFileError: There is no such folder, it cannot be written to, or other files are there.
            MissingDependencyError: The format needs a package that is not installed.
        """
        import os

        from pipelex.bulk.exceptions import ResultsFileError
        from pipelex.bulk.formats import TABLES

        self._is_new = new
        out = self.out
        if self._format() in TABLES:
            from pipelex.bulk.tables import check_installed

            check_installed()
        if self._answer_column in self._source.columns:
            msg = f"The rows have a column {self._answer_column!r} already: name another one with --answer-column."
            raise click.UsageError(msg)
        if out.exists() and os.path.exists(self._source.name) and os.path.samefile(out, self._source.name):
            msg = f"{out} is the file of the rows: name another one for the results."
            raise click.UsageError(msg)
        for folder in (out.parent, Path(os.path.realpath(out)).parent):  # that of the ledger, and where a link leads
            if not folder.is_dir() or not os.access(folder, os.W_OK):
                what = "it cannot be written to" if folder.is_dir() else "there is no such folder"
                raise ResultsFileError(file=str(out), reason=f"{folder}: {what}")
        if new:
            return
        if self.ledger.exists():
            self._check_unchanged()
            return
        for taken in (out, self._folder):
            if taken.exists():
                reason = "it exists already, and no run of this command wrote it. Name another file, or pass --new"
                raise ResultsFileError(file=str(taken), reason=reason)

    def _check_unchanged(self) -> None:
        """Check that the file of results is the one that the last run wrote: it is going to be replaced."""
        from pipelex.bulk.exceptions import ResultsFileError
        from pipelex.bulk.ledger import open_ledger

        if not self.out.exists():
            return
        ledger = open_ledger(self.ledger)
        try:
            known = ledger.results()
        finally:
            ledger.close()
        if known and _digest(self.out) not in known:
            raise ResultsFileError(file=str(self.out), reason=_CHANGED)

    def write(self, *, seen: int | None) -> None:
        """Write all rows of the ledger that have an outcome, or nothing.

        Args:
            seen: How many rows the input has; ``None`` where it was not read to its end.

        Raises:
            OutputFileError: They cannot be written; the ledger keeps them.
        """
        from pipelex.bulk.ledger import open_ledger
        from pipelex.bulk.results import ResultWriter
        from pipelex.cli.map_answers import AnswerShaper
        from pipelex.cli.written_files import staged_files

        ledger = open_ledger(self.ledger)
        try:
            with staged_files(self.out.parent, overwrite=True) as files:
                shaper = AnswerShaper(self._folder.name, files)
                writer = ResultWriter(
                    ledger,
                    before=seen,
                    columns=self._source.columns,
                    types=self._source.types,
                    answer_column=self._answer_column,
                    shape=shaper.shape_of(self._family, is_object=self._is_object),
                    with_usage=self._with_usage,
                )
                staged = files.add(self.out.name)
                writer.write(staged, self._format())
                written, known = {_digest(staged), *shaper.staged.values()}, ledger.results()
                self._clear(files, known, shaper.staged)
                ledger.set_results(written | known)  # until they are in their places, either may be there
                files.place()
            ledger.set_results(written)
        finally:
            ledger.close()

    def _clear(self, files: StagedFiles, known: Container[str], staged: Mapping[str, str]) -> None:
        """Remove the files of earlier runs that this one does not write again. Files that no run wrote stay.

        Args:
            files: Where the files of this run are staged.
            known: The digests of what earlier runs wrote.
            staged: The digests of the files of this run, by their paths from the folder of the results.

        Raises:
            ResultsFileError: A file that no run wrote would be replaced, and that was not asked for.
        """
        from pipelex.bulk.exceptions import ResultsFileError
        from pipelex.cli.map_answers import digest_of

        for path in filter(Path.is_file, self._folder.glob("*")):
            name = f"{self._folder.name}/{path.name}"
            found = digest_of(name, path.read_bytes())
            if name not in staged:
                if found in known:
                    files.remove(name)
            elif found != staged[name] and found not in known and not self._is_new:
                raise ResultsFileError(file=str(path), reason=_CHANGED)


def _digest(path: Path) -> str:
    from hashlib import file_digest

    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()

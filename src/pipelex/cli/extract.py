"""``pipelex extract``."""

from __future__ import annotations

import sys
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelex.cli.inputs import media_source, parse_pages, stdin_is_terminal
from pipelex.cli.output import FAILED, OK, write_error, write_json
from pipelex.cli.session import model_or_default, noting_usage, open_pipelex, usage_option, usage_report
from pipelex.exceptions import InputFileError, PipelexError
from pipelex.terminal import escaped, is_terminal, stdout, write_status, write_text

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from pipelex.cli.written_files import StagedFiles
    from pipelex.cogt.extract.extract_job import ExtractedImage, ExtractedPage, ExtractJobParams
    from pipelex.cogt.extract.extract_worker_abstract import ExtractWorkerAbstract
    from pipelex.cogt.inference.media import MediaSource
    from pipelex.reporting.usage_log import UsageLog

PAGE_BREAK = "\f"


@click.command()
@click.argument("files", nargs=-1, metavar="FILE...")
@click.option("-m", "--model", help="A name of the catalogue, or backend/model-id. Default: as configured.")
@click.option("-o", "--out", type=click.Path(path_type=Path, file_okay=False), help="The folder for what is extracted.")
@click.option("--pages", callback=parse_pages, metavar="PAGES", help="The pages to take, as 1-3,7. Default: all.")
@click.option(
    "--password",
    envvar="PIPELEX_PASSWORD",
    show_envvar=True,
    help="The password of encrypted documents. Other users can see a command line, but not the variable.",
)
@click.option("--images", is_flag=True, help="Take the images on the pages, too; needs --out.")
@click.option("--views", type=click.IntRange(min=1), metavar="DPI", help="Take a picture of each page; needs --out.")
@click.option("--tables", is_flag=True, help="Tell the tables apart, cell by cell; needs --json.")
@click.option("--force", is_flag=True, help="Replace files of the same names.")
@usage_option
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def extract(
    *,
    files: tuple[str, ...],
    model: str | None,
    out: Path | None,
    pages: tuple[int, ...],
    password: str | None,
    images: bool,
    views: int | None,
    tables: bool,
    force: bool,
    tells_usage: bool,
    as_json: bool,
) -> int:
    """Turn documents into text: each FILE, an address, or standard input where it is "-" or left out.

    The text goes to stdout, a form feed between pages. With --out, NAME.txt is written for each document into the
    folder, images beside it, and the paths go to stdout. A document that fails does not stop the others, and a page
    that fails stays empty.
    """
    from pipelex.cogt.extract.extract_job import ExtractJobParams
    from pipelex.plugins.inference_backend_registry import InferenceFamily
    from pipelex.reporting.usage_log import UsageLog

    names = _names(files, out)
    if out is None and (images or views is not None):
        msg = "Images are written to files: say with --out into which folder."
        raise click.UsageError(msg)
    if tables and not as_json:
        msg = "The text holds the tables already: say --json to have them cell by cell."
        raise click.UsageError(msg)
    params = ExtractJobParams(
        pages=pages, password=password, embedded_images=images, page_view_dpi=views, tables=tables
    )
    log = UsageLog()
    with noting_usage(log, wanted=tells_usage), open_pipelex(log) as px:
        worker = px.extract(model_or_default(px, model, InferenceFamily.EXTRACT))
        run = ExtractRun(worker, params, out, overwrite=force, as_json=as_json, headings=len(names) > 1)
        for name in names:
            run.take(name)
    return run.finish(log)


def _names(files: tuple[str, ...], out: Path | None) -> tuple[str, ...]:
    """Return the documents to read.

    Raises:
        click.UsageError: There are none, or two of them would be written to one file of the folder ``out``.
    """
    if not files and stdin_is_terminal():
        msg = "There is no document: name a file, or give one on standard input."
        raise click.UsageError(msg)
    names = files or ("-",)
    stems: dict[str, str] = {}
    for name in names if out is not None else ():
        stem = _stem(name)
        if stem in stems:
            msg = f"{stems[stem]} and {name} have the same name: extract them one at a time, into folders of their own."
            raise click.UsageError(msg)
        stems[stem] = name
    if names.count("-") > 1:
        msg = "Standard input, '-', can be read once only."
        raise click.UsageError(msg)
    return names


def _stem(name: str) -> str:
    """Return the name that a document's files begin with."""
    if name == "-":
        return "stdin"
    if "://" in name or name[:5].lower() == "data:":
        from urllib.parse import urlsplit

        name = urlsplit(name).path if "://" in name else ""
    return Path(name).stem or "document"


class ExtractRun:
    """The documents of one command, one after the other.

    Args:
        worker: Who extracts.
        params: What to take.
        out: The folder for the files; text goes to stdout where there is none.
        overwrite: Whether files may be replaced.
        as_json: Whether stdout is to hold JSON.
        headings: Whether each document's text stands under its name.
    """

    def __init__(
        self,
        worker: ExtractWorkerAbstract,
        params: ExtractJobParams,
        out: Path | None,
        *,
        overwrite: bool,
        as_json: bool,
        headings: bool,
    ) -> None:
        self._worker = worker
        self._params = params
        self._out = out
        self._overwrite = overwrite
        self._as_json = as_json
        self._headings = headings
        self._records: list[dict[str, object]] = []
        self._failures = 0
        writes_text = out is None and not as_json
        self._shows_progress = is_terminal(sys.stderr) and not (writes_text and is_terminal(stdout()))

    def take(self, name: str) -> None:
        """Extract one document; its errors are written and counted."""
        record: dict[str, object] = {"file": name}
        try:
            with closing(self._pages(name)) as pages:
                self._deliver(name, pages, record)
        except PipelexError as exc:
            self._note(exc, name)
            record["error"] = exc.to_dict()
        self._records.append(record)

    def finish(self, log: UsageLog) -> int:
        """Write the JSON, if it is wanted, and return the exit code."""
        if self._as_json:
            write_json({"model": self._worker.inference_model.name, "documents": self._records, **usage_report(log)})
        return FAILED if self._failures else OK

    def _note(self, error: PipelexError, name: str) -> None:
        self._failures += 1
        write_error(error, as_json=self._as_json, about=name)

    def _deliver(self, name: str, pages: Iterator[ExtractedPage], record: dict[str, object]) -> None:
        if self._out is not None:
            self._write_files(name, pages, self._out, record)
        elif self._as_json:
            rows: list[object] = []
            for page in pages:
                record["pages"] = rows  # from the first page on: what came before an error is not lost
                rows.append(_as_data(page))
        else:
            _write_text(pages, f"==> {name} <==" if self._headings else None)

    def _write_files(self, name: str, pages: Iterator[ExtractedPage], folder: Path, record: dict[str, object]) -> None:
        """Write the text and the images of one document: all of it or nothing."""
        from pipelex.cli.written_files import staged_files

        rows: list[dict[str, object]] = []
        with staged_files(folder, overwrite=self._overwrite) as files:
            with files.add(f"{_stem(name)}.txt").open("w", encoding="utf-8", newline="\n") as text:
                for page in pages:
                    text.write(f"{PAGE_BREAK if rows else ''}{page.text}\n")
                    row = _stage_images(files, folder, _stem(name), page)
                    rows.append(_as_data(page) | row if self._as_json else {})
            written = files.place()
        if self._as_json:
            record.update(text_file=str(written[0]), pages=rows)
        else:
            for path in written:
                write_text(str(path))

    def _pages(self, name: str) -> Generator[ExtractedPage]:
        """Yield the pages of a document, with progress on stderr where somebody looks at it."""
        from pipelex.cogt.extract.extract_job import ExtractJob

        job = ExtractJob(document=_source(name), params=self._params)
        pages = self._worker.stream_pages_sync(job)
        for page in _with_progress(name, pages, len(self._params.pages)) if self._shows_progress else pages:
            if page.error is not None:
                self._note(page.error, name)
            yield page


def _with_progress(name: str, pages: Iterator[ExtractedPage], chosen: int) -> Iterator[ExtractedPage]:
    """Yield pages and draw on stderr how far they are: a bar where it is known how many are to come."""
    first = next(pages, None)
    if first is None:
        return
    pages = chain([first], pages)
    total = chosen or first.page_count
    if total:
        with click.progressbar(pages, length=total, label=escaped(name), file=sys.stderr, show_pos=True) as bar:
            yield from bar
        return
    try:
        for count, page in enumerate(pages, start=1):
            write_status(f"{name}: {count} pages")
            yield page
    finally:
        write_status()


def _source(name: str) -> MediaSource:
    from pipelex.cogt.inference.media import MediaSource

    if name != "-":
        return media_source(name)
    if sys.stdin is None:
        raise InputFileError(file=name, reason="there is no standard input")
    return MediaSource(data=sys.stdin.buffer.read())


def _write_text(pages: Iterator[ExtractedPage], heading: str | None) -> None:
    for count, page in enumerate(pages):
        if heading is not None and not count:
            write_text(heading)
        page_break = "\n" if is_terminal(stdout()) else PAGE_BREAK
        write_text(f"{page_break if count else ''}{page.text}")


def _stage_images(files: StagedFiles, folder: Path, stem: str, page: ExtractedPage) -> dict[str, object]:
    """Write the images of a page and return where they will be, for the JSON."""
    from pipelex.cli.written_files import ending_of

    def stage(image: ExtractedImage, label: str) -> dict[str, object]:
        name = f"{stem}-page{page.number}-{label}{ending_of(image.mime_type)}"
        files.add(name).write_bytes(image.data)
        box = dict(vars(image.box)) if image.box is not None else None
        return {"file": str(folder / name), "mime_type": image.mime_type, "box": box, "caption": image.caption}

    return {
        "images": [stage(image, f"image{number}") for number, image in enumerate(page.images, start=1)],
        "view": stage(page.view, "view") if page.view is not None else None,
    }


def _as_data(page: ExtractedPage) -> dict[str, object]:
    data: dict[str, object] = {name: getattr(page, name) for name in ("number", "text", "width", "height")}
    if page.error is not None:
        data["error"] = page.error.to_dict()
    if page.tables:
        data["tables"] = [
            {**vars(table), "box": dict(vars(table.box)) if table.box is not None else None} for table in page.tables
        ]
    return data

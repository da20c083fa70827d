"""What ``pipelex map`` asks for each row: a job of any family, made of templates and of cells that name files."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, cast

import click

from pipelex.bulk.cells import cell_text, is_empty
from pipelex.bulk.template import BRACES, Template, check_columns
from pipelex.generated.families import EXTRACT, FAMILIES, IMG_GEN, LLM, SEARCH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import TypeAlias

    from _typeshed import DataclassInstance

    from pipelex.bulk.rows import RowSource
    from pipelex.cogt.extract.extract_job import ExtractJobParams
    from pipelex.cogt.img_gen.img_gen_job import ImgGenJobParams
    from pipelex.cogt.inference.inference_worker_abstract import InferenceWorkerAbstract
    from pipelex.cogt.inference.media import MediaSource
    from pipelex.cogt.llm.llm_job import LLMJobParams
    from pipelex.cogt.search.search_job import SearchJobParams
    from pipelex.plugins.family import Family

    Texts: TypeAlias = Mapping[str, str]
    Media: TypeAlias = Mapping[str, tuple[MediaSource, ...]]

_MEDIA_WORDS = {"image-column": "images", "document-column": "documents"}
FAMILY_NAMES = tuple(family.command for family in FAMILIES.values())


@dataclass(frozen=True, kw_only=True)
class MapRequest:
    """What the command line asks of each row, whatever the family.

    Attributes:
        family: The family, by the name of its command.
        texts: The templates, by the names of their options.
        media: The columns with files or addresses, by the names of their options.
        params: The parameters that were set, by the names of their options.
        named_params: Further ones, as ``NAME=VALUE``.
        others: Further options that only some families have, by name.
    """

    family: str
    texts: Mapping[str, str | None]
    media: Mapping[str, str | None]
    params: Mapping[str, object]
    named_params: tuple[str, ...]
    others: Mapping[str, object]


class RowJobs:
    """Makes the job of a row.

    Args:
        request: What the command line asks.

    Attributes:
        family: The family of the jobs.

    Raises:
        click.UsageError: An option is missing, or the family has no such option.
        RowsFormatError: A template cannot be parsed.
    """

    def __init__(self, request: MapRequest) -> None:
        kind = _KINDS[request.family]
        self.family: Family[InferenceWorkerAbstract] = kind.family
        given = {**request.texts, **request.media, **request.params, **request.others}
        _check_options(request.family, kind, {name for name, value in given.items() if value is not None})
        self._make = kind.make
        self._texts = {name: Template(text) for name, text in request.texts.items() if text is not None}
        self._in_texts = [column for template in self._texts.values() for column in template.columns]
        self._media = {name: column for name, column in request.media.items() if column is not None}
        self._needs_file = kind.needs in request.media
        self._params = _params_of(kind, request)
        self.empty: Counter[str] = Counter()

    def check(self, source: RowSource, key: str | None) -> None:
        """Check that the rows have all columns that are named.

        Raises:
            MissingColumnError: One is missing.
        """
        others = [*self._media.values(), *([key] if key is not None else [])]
        source.look_for((*self._in_texts, *others))
        if source.columns:
            hint = source.separator_hint()
            check_columns(self._in_texts, source.columns, hint=hint or f"{BRACES}.")
            check_columns(others, source.columns, hint=hint)

    def make(self, row: Mapping[str, object]) -> object:
        """Make the job of a row. A file is read when it is sent.

        Raises:
            MissingColumnError: The row has no such column.
            InputFileError: A cell is no file and no address.
        """
        texts = {name: template.render(row) for name, template in self._texts.items()}
        media = {name: self._sources(column, row) for name, column in self._media.items()}
        return self._make(texts, media, self._params)

    def noting_empty(self, rows: Iterable[Mapping[str, object]]) -> Iterator[Mapping[str, object]]:
        """Return the rows, and count in ``empty`` in how many of them a column that the jobs use is empty."""
        columns = tuple(dict.fromkeys((*self._in_texts, *self._media.values())))
        for row in rows:
            self.empty.update(column for column in columns if is_empty(row.get(column)))
            yield row

    def described(self) -> dict[str, str]:
        """Return what the jobs consist of, as texts by name."""
        blank = vars(type(self._params)())
        stated = {name: value for name, value in vars(self._params).items() if value != blank[name]}
        stated.pop("password", None)  # it is a secret, and changes no answer
        return {
            **{name: template.text for name, template in self._texts.items() if template.text},
            **({"parameters": json.dumps(stated, sort_keys=True, default=str)} if stated else {}),
            **{f"column of {_MEDIA_WORDS[name]}": column for name, column in self._media.items()},
        }

    def _sources(self, column: str, row: Mapping[str, object]) -> tuple[MediaSource, ...]:
        from pipelex.cogt.inference.media import MediaSource
        from pipelex.exceptions import InputFileError

        check_columns([column], row, where="this row")
        cell = row[column]
        if isinstance(cell, dict) and {"bytes", "path"} >= cell.keys():  # an image in a data set of Hugging Face
            cell = cell.get("bytes") or cell.get("path")
        if isinstance(cell, bytes):
            return (MediaSource(data=cell),)
        name = cell_text(cell)
        if not name.strip():
            if self._needs_file:
                raise InputFileError(file="", reason=f"column {column!r} is empty: it has to name a document")
            return ()
        try:
            return (MediaSource.of(name),)
        except ValueError as exc:
            raise InputFileError(file=name[:80], reason=f"column {column!r}: {exc}") from exc


def _params_of(kind: _Kind, request: MapRequest) -> DataclassInstance:
    """Make the record of parameters of the options and of ``--param``."""
    from pipelex.cli.conversations import with_named

    stated = {name.replace("-", "_"): value for name, value in request.params.items() if value is not None}
    return with_named(kind.load_params()(**stated), request.named_params)


def _check_options(name: str, kind: _Kind, given: set[str]) -> None:
    if kind.needs not in given:
        what = "the text, with columns in braces" if kind.needs == "prompt" else "the column that names the documents"
        msg = f"--family {name} needs --{kind.needs}: {what}."
        raise click.UsageError(msg)
    for option in sorted(given - kind.options - {kind.needs}):
        able = [family for family, other in _KINDS.items() if option in (*other.options, other.needs)]
        msg = f"--family {name} has no --{option}: that is for --family {' or '.join(able)}."
        raise click.UsageError(msg)


def _llm_job(texts: Texts, media: Media, params: object) -> object:
    from pipelex.cogt.llm.llm_job import LLMJob, LLMPrompt

    prompt = LLMPrompt(
        user_text=texts["prompt"],
        system_text=texts.get("system"),
        images=media.get("image-column", ()),
        documents=media.get("document-column", ()),
    )
    return LLMJob(prompt=prompt, params=cast("LLMJobParams", params))


def _img_gen_job(texts: Texts, media: Media, params: object) -> object:
    from pipelex.cogt.img_gen.img_gen_job import ImgGenJob, ImgGenPrompt

    prompt = ImgGenPrompt(
        text=texts["prompt"], negative_text=texts.get("negative"), images=media.get("image-column", ())
    )
    return ImgGenJob(prompt=prompt, params=cast("ImgGenJobParams", params))


def _extract_job(_texts: Texts, media: Media, params: object) -> object:
    from pipelex.cogt.extract.extract_job import ExtractJob

    return ExtractJob(document=media["document-column"][0], params=cast("ExtractJobParams", params))


def _search_job(texts: Texts, _media: Media, params: object) -> object:
    from pipelex.cogt.search.search_job import SearchJob

    return SearchJob(query=texts["prompt"], params=cast("SearchJobParams", params))


class _Kind(NamedTuple):
    """How the jobs of a family are made.

    Attributes:
        family: The family.
        needs: The option without which there is no job.
        options: The other options that it has.
        params: The record of its parameters, as ``module:Class``.
        make: Makes a job of texts, files and parameters.
    """

    family: Family[InferenceWorkerAbstract]
    needs: str
    options: frozenset[str]
    params: str
    make: Callable[[Texts, Media, object], object]

    def load_params(self) -> Callable[..., DataclassInstance]:
        """Import the record of the parameters."""
        from importlib import import_module

        module, _, name = self.params.partition(":")
        kind: Callable[..., DataclassInstance] = getattr(import_module(module), name)
        return kind


_LLM_OPTIONS = ("system", "image-column", "document-column", "schema", "temperature", "max-tokens", "seed")
_KINDS: Mapping[str, _Kind] = {
    kind.family.command: kind
    for kind in (
        _Kind(LLM, "prompt", frozenset(_LLM_OPTIONS), "pipelex.cogt.llm.llm_job:LLMJobParams", _llm_job),
        _Kind(
            IMG_GEN,
            "prompt",
            frozenset(("negative", "image-column", "seed")),
            "pipelex.cogt.img_gen.img_gen_job:ImgGenJobParams",
            _img_gen_job,
        ),
        _Kind(
            EXTRACT,
            "document-column",
            frozenset(),
            "pipelex.cogt.extract.extract_job:ExtractJobParams",
            _extract_job,
        ),
        _Kind(SEARCH, "prompt", frozenset(("schema",)), "pipelex.cogt.search.search_job:SearchJobParams", _search_job),
    )
}

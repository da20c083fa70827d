"""What goes into a search, and the sourced answer that comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.field_types import with_field_types
from pipelex.records import dataclass

if TYPE_CHECKING:
    from datetime import date

__all__ = ["SearchAnswer", "SearchJob", "SearchJobParams", "SearchSource"]


@dataclass(frozen=True, kw_only=True)
class SearchJobParams:
    """Where and how far to search. What is unset is left to the engine; what is set and undeclared is refused.

    Attributes:
        max_results: The most sources to return.
        include_domains: The only domains to search.
        exclude_domains: Domains to leave out.
        from_date: The earliest day of publication.
        to_date: The latest day of publication.
    """

    max_results: int | None = None
    include_domains: tuple[str, ...] = ()
    exclude_domains: tuple[str, ...] = ()
    from_date: date | None = None
    to_date: date | None = None

    __get_pydantic_core_schema__ = with_field_types


@dataclass(frozen=True, kw_only=True)
class SearchJob:
    """One search.

    Attributes:
        query: What is asked, in plain words.
        params: Where and how far to search.
    """

    query: str
    params: SearchJobParams = SearchJobParams()

    @classmethod
    def of(cls, source: SearchJob | str) -> SearchJob:
        """Make a job of a query; a job is returned as it is."""
        return cls(query=source) if isinstance(source, str) else source

    def fingerprint(self) -> str:
        """Return the SHA-256 digest of the job: equal jobs have equal ones, in every process and version.

        Fields with their defaults do not count. A file counts by its content, an address by itself.

        Raises:
            InferenceRequestError: The job holds a value that has no stable form.
        """
        from pipelex.cogt.inference.fingerprint import fingerprint_of

        return fingerprint_of(self)


@dataclass(frozen=True, kw_only=True)
class SearchSource:
    """A source that an answer rests on.

    Attributes:
        url: Its address; a ``file://`` URL where the source is a file.
        title: Its title, where it has one.
        snippet: The passage that matters, where the engine gives it.
        published_on: The day it was published, or last changed, where the engine gives it.
        score: How well it fits the query on the engine's own scale, higher is better, where the engine gives it.
    """

    url: str
    title: str | None = None
    snippet: str | None = None
    published_on: date | None = None
    score: float | None = None

    __get_pydantic_core_schema__ = with_field_types


@dataclass(frozen=True, kw_only=True)
class SearchAnswer:
    """What a search found.

    Attributes:
        text: The answer; empty where the engine returns plain results.
        sources: What it rests on, best first.
    """

    text: str
    sources: tuple[SearchSource, ...] = ()

"""Linkup's wire format, replayed: no counterpart by others was found.

Search: https://docs.linkup.so/pages/documentation/endpoints/search/reference
Fetch: https://docs.linkup.so/pages/documentation/endpoints/fetch/reference
Errors: https://docs.linkup.so/pages/documentation/development/errors
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipelex.cogt.search.search_job import SearchSource

FAVICON = "https://example.org/favicon.ico"


def sourced_answer(text: str, sources: Iterable[SearchSource]) -> dict[str, object]:
    """The answer to ``outputType: sourcedAnswer``."""
    found = [
        {"name": source.title or "", "url": source.url, "snippet": source.snippet or "", "favicon": FAVICON}
        for source in sources
    ]
    return {"answer": text, "sources": found}


def search_results(sources: Iterable[SearchSource]) -> dict[str, object]:
    """The answer to ``outputType: searchResults``, with an image at its end."""
    found: list[dict[str, object]] = [
        {
            "type": "text",
            "name": source.title or "",
            "url": source.url,
            "content": source.snippet or "",
            "favicon": FAVICON,
        }
        for source in sources
    ]
    return {"results": [*found, {"type": "image", "name": "A cat", "url": "https://example.org/cat.png"}]}


def page(markdown: str, *images: tuple[str, str]) -> dict[str, object]:
    """The answer to a fetch."""
    answer: dict[str, object] = {"markdown": markdown, "favicon": FAVICON}
    if images:
        answer["images"] = [{"alt": alt, "url": url} for alt, url in images]
    return answer


def error(status: int, code: str, said: str = "The replay refuses this model") -> dict[str, object]:
    """The body of an error."""
    return {"statusCode": status, "error": {"code": code, "message": said, "details": []}}

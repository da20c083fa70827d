"""Images and documents on their way into a model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["MediaSource"]


class MediaReadError(OSError, ValueError):
    """An input cannot be read: to the caller of a model this is a wrong request, whoever serves it."""


@dataclass(frozen=True, kw_only=True)
class MediaSource:
    """A file given by its bytes, its path or its address. Exactly one of the three is set.

    Attributes:
        data: The bytes themselves.
        path: A local file, read when it is needed.
        url: An ``http`` or ``https`` address; whether it is fetched or handed on is the driver's matter.
        mime_type: The media type where it is known (``"application/pdf"``, ``"image/png"``).
    """

    data: bytes | None = field(default=None, repr=False)
    path: Path | None = None
    url: str | None = field(default=None, repr=False)  # a signed address is a secret
    mime_type: str | None = None

    def __post_init__(self) -> None:
        if [self.data, self.path, self.url].count(None) != 2:
            msg = "A MediaSource has exactly one of data, path and url."
            raise ValueError(msg)

    @classmethod
    def of(cls, source: MediaSource | bytes | Path | str) -> MediaSource:
        """Make a source of whatever stands for one.

        Args:
            source: Bytes, a path, or a string: an address where it starts with ``http://`` or ``https://``,
                a path otherwise. A ``MediaSource`` is returned as it is.
        """
        if isinstance(source, MediaSource):
            return source
        if isinstance(source, bytes):
            return cls(data=source)
        if isinstance(source, str) and source.startswith(("http://", "https://")):
            return cls(url=source)
        from pathlib import Path

        return cls(path=Path(source))

    def read(self) -> bytes:
        """Return the bytes of the data or of the file.

        Raises:
            OSError: The file cannot be read.
            ValueError: The source is an address, which is not fetched here.
        """
        if self.data is not None:
            return self.data
        if self.path is not None:
            return self.path.read_bytes()
        msg = "A MediaSource with a url is not read: hand the address to the vendor, or fetch it."
        raise ValueError(msg)

    def media_type(self) -> str:
        """Return the media type: as declared, or by the name's ending, or by the first bytes.

        Returns:
            The type; ``"application/octet-stream"`` where nothing tells.
        """
        if self.mime_type is not None:
            return self.mime_type
        from mimetypes import guess_type

        name = self.url.partition("?")[0] if self.url is not None else str(self.path or "")
        return guess_type(name)[0] or _type_of_bytes(self.data or b"") or "application/octet-stream"

    async def fetched(self, *, max_bytes: int = 100_000_000, timeout_s: float = 60.0) -> MediaSource:
        """Return this source with its bytes, read from its file or fetched from its address.

        Args:
            max_bytes: The most bytes to take.
            timeout_s: The longest time to wait for any answer, in seconds.

        Returns:
            A source with ``data`` and ``mime_type``.

        Raises:
            OSError: The file cannot be read, or the address not reached; a ``TimeoutError`` is one.
            ValueError: There are more bytes than ``max_bytes``.
        """
        if self.url is None and self.data is not None and self.mime_type is not None:
            return self
        import asyncio

        mime_type: str | None = None
        try:
            if self.url is None:
                data, mime_type = await asyncio.to_thread(self.read), self.media_type()
            else:
                data, mime_type = await asyncio.to_thread(_fetch, self.url, max_bytes, timeout_s)
        except (OSError, ValueError) as exc:
            msg = f"{self._place()} cannot be read: {exc}"
            raise MediaReadError(msg) from exc
        if len(data) > max_bytes:
            msg = f"{self._place()} has more than the {max_bytes} bytes that are taken at most."
            raise MediaReadError(msg)
        return MediaSource(data=data, mime_type=self.mime_type or mime_type or _type_of_bytes(data))

    def _place(self) -> str:
        """Say where the bytes are; of an address only its host, since the rest may be a secret."""
        if self.url is not None:
            return f"The file at {'/'.join(self.url.split('/', 3)[:3]).rpartition('@')[2]}"
        return f"The file {self.path}" if self.path is not None else "The file"

    async def as_base64(self) -> str:
        """Return the bytes in base64, as many wire formats want them; errors as for :meth:`fetched`."""
        from base64 import b64encode

        return b64encode((await self.fetched()).data or b"").decode("ascii")

    async def as_data_url(self) -> str:
        """Return the bytes as a ``data:`` address (RFC 2397); errors as for :meth:`fetched`."""
        source = await self.fetched()
        return f"data:{source.media_type()};base64,{await source.as_base64()}"


_MAGIC = {
    b"%PDF-": "application/pdf",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
}


def _type_of_bytes(data: bytes) -> str | None:
    """Return the media type that a file's first bytes tell."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _MAGIC.items() if data.startswith(magic)), None)


def _fetch(url: str, max_bytes: int, timeout_s: float) -> tuple[bytes, str | None]:
    """Fetch an ``http`` or ``https`` address; one byte more than is taken tells that there is too much."""
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    if not url.startswith(("http://", "https://")):
        msg = "Only http and https addresses are fetched."
        raise ValueError(msg)
    try:
        with urlopen(Request(url), timeout=timeout_s) as answer:  # noqa: S310 - the scheme was checked
            data = answer.read(max_bytes + 1)
            mime_type = answer.headers.get_content_type()
            missing = answer.length if len(data) <= max_bytes else 0
    except HTTPError as exc:
        exc.close()
        raise
    except HTTPException as exc:
        raise OSError(type(exc).__name__) from exc
    if missing:  # a body that ends early is an error of its own only where no number of bytes is asked for
        msg = f"the connection ended {missing} bytes before the file did"
        raise OSError(msg)
    return data, mime_type

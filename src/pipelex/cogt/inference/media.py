"""Images and documents on their way into a model."""

from __future__ import annotations

import re
from dataclasses import field, replace
from typing import TYPE_CHECKING

from pipelex.field_types import with_field_types
from pipelex.records import dataclass

if TYPE_CHECKING:
    from pathlib import Path

    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec

__all__ = ["MediaSource"]

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://|data:", re.IGNORECASE)  # a scheme of one letter is a drive of Windows


class MediaReadError(OSError, ValueError):
    """An input cannot be read: to the caller of a model this is a wrong request, whoever serves it."""


@dataclass(frozen=True, kw_only=True)
class MediaSource:
    """A file given by its bytes, its path or its address. Exactly one of the three is set.

    Attributes:
        data: The bytes themselves.
        path: A local file, read when it is needed.
        url: An address (``http``, ``https``, or one of the vendor's own storage); whether it is fetched or passed to
            the vendor is the driver's matter. A ``data:`` URL (RFC 2397) is decoded into ``data`` and ``mime_type``.
        mime_type: The media type as it was declared (``"application/pdf"``, ``"image/png"``), ``"image/*"`` for an
            image of any type. :meth:`media_type` returns what the file really is.

    Raises:
        ValueError: Not exactly one of the three is set, or a ``data:`` URL cannot be decoded.
    """

    data: bytes | None = field(default=None, repr=False)
    path: Path | None = None
    url: str | None = field(default=None, repr=False)  # a signed address is a secret
    mime_type: str | None = None

    __get_pydantic_core_schema__ = with_field_types

    def __post_init__(self) -> None:
        if [self.data, self.path, self.url].count(None) != 2:
            msg = "A MediaSource has exactly one of data, path and url."
            raise ValueError(msg)
        if self.url is not None and self.url[:5].lower() == "data:":
            from pipelex.cogt.inference.media_types import parse_data_url

            data, mime_type = parse_data_url(self.url)
            object.__setattr__(self, "data", data)
            object.__setattr__(self, "url", None)
            object.__setattr__(self, "mime_type", self.mime_type or mime_type)

    @classmethod
    def of(cls, source: MediaSource | bytes | Path | str) -> MediaSource:
        """Make a source of bytes, a path or an address.

        Args:
            source: Bytes, a path, or a string: an address where it begins with a scheme (``https://``, ``HTTP://``,
                ``data:``), the path of a ``file://`` address, a path otherwise. A ``MediaSource`` is returned as it is.

        Raises:
            ValueError: A ``data:`` URL cannot be decoded.
        """
        if isinstance(source, MediaSource):
            return source
        if isinstance(source, bytes):
            return cls(data=source)
        from pathlib import Path

        if isinstance(source, Path) or not _ADDRESS.match(source):
            return cls(path=Path(source))
        if source[:7].lower() != "file://":
            return cls(url=source)
        from urllib.parse import urlsplit
        from urllib.request import url2pathname

        return cls(path=Path(url2pathname(urlsplit(source).path)))

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
        msg = "A MediaSource with a url is not read: pass the address to the vendor, or fetch it."
        raise ValueError(msg)

    def media_type(self) -> str:
        """Return the media type: by its first bytes, or else by the ending of its name, or else as declared.

        The beginning of a local file is read for that; an address is not fetched.

        Returns:
            The type by its usual name; ``"application/octet-stream"`` where none of them gives one.
        """
        return self._type_of(self.data if self.data is not None else self._head())

    async def fetched(
        self, *, max_bytes: int = 100_000_000, timeout_s: float = 60.0, named_by: InferenceModelSpec | None = None
    ) -> MediaSource:
        """Return this source with its bytes, read from its file or fetched from its address.

        Only ``http`` and ``https`` are fetched, after every redirect too. A content encoding is undone, and text comes
        in UTF-8. The environment variable ``PIPELEX_PRIVATE_ADDRESSES`` refuses private addresses (``refuse``), or
        allows them to vendors too (``allow``).

        Args:
            max_bytes: The most bytes to take.
            timeout_s: The longest time for the whole of it, in seconds.
            named_by: The model whose answer names the address. Private, loopback and link-local addresses are then
                refused, except the origin of its backend's endpoint, or where that endpoint is one itself.

        Returns:
            A source with ``data`` and ``mime_type``, which is what :meth:`media_type` returns.

        Raises:
            OSError: The file cannot be read, or the address not reached or not in time, or it may not be fetched.
            ValueError: There are no bytes, or more than ``max_bytes``, or they are no image where one was declared.
        """
        declared: str | None = None
        try:
            if self.url is not None:
                data, declared = await self._fetch(max_bytes, timeout_s, named_by)
            elif self.data is not None:
                data = self.data
            else:
                from pipelex.cogt.inference.daemon_thread import on_daemon_thread

                data = await on_daemon_thread(lambda: self._beginning(max_bytes + 1))
        except (OSError, ValueError) as exc:
            msg = f"{self._place()} cannot be read: {exc}"
            raise MediaReadError(msg) from exc
        return self._checked(data, declared, max_bytes)

    async def _fetch(
        self, max_bytes: int, timeout_s: float, named_by: InferenceModelSpec | None
    ) -> tuple[bytes, str | None]:
        from pipelex.cogt.inference.fetching import PrivateAddresses, fetch

        endpoint = named_by.endpoint if named_by is not None else None
        private = PrivateAddresses(by_vendor=named_by is not None, endpoint=endpoint)
        return await fetch(self.url or "", max_bytes=max_bytes, timeout_s=timeout_s, private=private)

    def _checked(self, data: bytes, declared: str | None, max_bytes: int) -> MediaSource:
        """Return this source with its bytes and their type, and refuse what it cannot be."""
        from pipelex.cogt.inference.media_types import UNKNOWN, beginning_of, is_image

        if not data:
            msg = f"{self._place()} is empty."
            raise MediaReadError(msg)
        if len(data) > max_bytes:
            msg = f"{self._place()} has more than the {max_bytes} bytes that are taken at most."
            raise MediaReadError(msg)
        kind = self._type_of(data, declared)
        if is_image(self.mime_type) and not is_image(kind) and kind != UNKNOWN:
            msg = f"{self._place()} is no image but {kind}. It begins with {beginning_of(data)}."
            raise MediaReadError(msg)
        if data is self.data and kind == self.mime_type:
            return self
        return MediaSource(data=data, mime_type=kind)

    def _type_of(self, data: bytes, *declared: str | None) -> str:
        from pipelex.cogt.inference.media_types import media_type_of

        name = re.split("[?#]", self.url)[0] if self.url is not None else str(self.path or "")
        return media_type_of(data, name=name, declared=(self.mime_type, *declared))

    def _head(self) -> bytes:
        """Return the beginning of a local file; nothing of what is no file, or cannot be read."""
        from pipelex.cogt.inference.media_types import HEAD_BYTES

        try:
            return self._beginning(HEAD_BYTES) if self.path is not None and self.path.is_file() else b""
        except OSError:
            return b""

    def _beginning(self, count: int) -> bytes:
        """Return as many bytes of a local file, or all of them where there are fewer."""
        if self.path is None:
            return b""
        with self.path.open("rb") as file:
            return file.read(count)

    def _place(self) -> str:
        """Return where the bytes are, for a message; of an address only its host, since the rest may be a secret."""
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
        return f"data:{source.mime_type};base64,{await source.as_base64()}"


def expecting_images(sources: tuple[MediaSource, ...]) -> tuple[MediaSource, ...]:
    """Return sources that are refused when they are read and are no images: a page of HTML, a PDF."""
    from pipelex.cogt.inference.media_types import is_image

    return tuple(source if is_image(source.mime_type) else replace(source, mime_type="image/*") for source in sources)

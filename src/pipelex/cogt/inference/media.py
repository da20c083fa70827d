"""Images and documents on their way into a model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["MediaSource"]


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

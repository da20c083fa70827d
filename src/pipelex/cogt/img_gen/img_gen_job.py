"""What goes into an image generation, and what comes out."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Literal

from pipelex.field_types import BYTES_IN_JSON, with_field_types
from pipelex.records import dataclass

if TYPE_CHECKING:
    from pipelex.cogt.inference.media import MediaSource

__all__ = ["GeneratedImage", "ImgGenJob", "ImgGenJobParams", "ImgGenPrompt"]


@dataclass(frozen=True, kw_only=True)
class ImgGenPrompt:
    """What the image is to show.

    Attributes:
        text: What it shows.
        negative_text: What it does not show.
        images: Images to start from.
    """

    text: str
    negative_text: str | None = None
    images: tuple[MediaSource, ...] = ()

    __get_pydantic_core_schema__ = with_field_types


@dataclass(frozen=True, kw_only=True)
class ImgGenJobParams:
    """How the image is made. What is ``None`` is left to the model; what is set and undeclared is refused.

    Attributes:
        size: Width and height in pixels.
        aspect_ratio: Width to height, as ``"16:9"``.
        quality: The vendor's word for the effort (``"low"``, ``"high"``).
        output_format: The file format.
        background: Whether the background is see-through.
        seed: The seed of the randomness.
    """

    size: tuple[int, int] | None = None
    aspect_ratio: str | None = None
    quality: str | None = None
    output_format: Literal["png", "jpeg", "webp"] | None = None
    background: Literal["transparent", "opaque"] | None = None
    seed: int | None = None


@dataclass(frozen=True, kw_only=True)
class ImgGenJob:
    """One image generation.

    Attributes:
        prompt: What the image is to show.
        params: How it is made.
        count: How many images.
    """

    prompt: ImgGenPrompt
    params: ImgGenJobParams = ImgGenJobParams()
    count: int = 1

    @classmethod
    def of(cls, source: ImgGenJob | str) -> ImgGenJob:
        """Make a job of a text; a job is returned as it is."""
        return cls(prompt=ImgGenPrompt(text=source)) if isinstance(source, str) else source

    def fingerprint(self) -> str:
        """Return the SHA-256 digest of the job: equal jobs have equal ones, in every process and version.

        Fields with their defaults do not count. A file counts by its content, an address by itself.

        Raises:
            InferenceRequestError: The job holds a value that has no stable form.
        """
        from pipelex.cogt.inference.fingerprint import fingerprint_of

        return fingerprint_of(self)


@dataclass(frozen=True, kw_only=True)
class GeneratedImage:
    """An image that a model made.

    Attributes:
        data: The bytes of the file.
        mime_type: Its media type (``"image/png"``).
        width: Its width in pixels, where known.
        height: Its height in pixels, where known.
    """

    __pydantic_config__ = BYTES_IN_JSON

    data: bytes = field(repr=False)
    mime_type: str
    width: int | None = None
    height: int | None = None

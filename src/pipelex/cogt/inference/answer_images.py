"""Images that a vendor's answer holds, whichever way it holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.cogt.exceptions import InferenceAmbiguousError, InferenceInvalidAnswerError
from pipelex.cogt.inference.media import MediaSource

if TYPE_CHECKING:
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec

__all__ = ["fetch_answer_image", "read_answer_image"]

_LARGEST_IMAGE = 50_000_000  # bytes
_SCHEMES = ("http://", "https://")


async def fetch_answer_image(
    text: str, *, model: InferenceModelSpec, mime_type: str | None = None, timeout_s: float | None = None
) -> MediaSource:
    """Return an image that an answer holds by its address, or as :func:`read_answer_image` reads it.

    Args:
        text: An ``http`` or ``https`` address, base64, or a ``data:`` URL.
        model: The model that answered; its answer may not name a private address.
        mime_type: The media type that the answer declares.
        timeout_s: The longest time to fetch it, in seconds; that of the model's policy where it is not given.

    Returns:
        A source with ``data`` and ``mime_type``.

    Raises:
        InferenceAmbiguousError: The image was made, and cannot be fetched.
        InferenceInvalidAnswerError: The text is no image.
    """
    if not text.lower().lstrip().startswith(_SCHEMES):
        return read_answer_image(text, mime_type=mime_type)
    source = MediaSource(url=text.strip(), mime_type=_image_type(mime_type))
    limit_s = model.policy.timeout_s if timeout_s is None else timeout_s
    try:
        return await source.fetched(max_bytes=_LARGEST_IMAGE, timeout_s=limit_s, named_by=model)
    except (OSError, ValueError) as exc:
        raise InferenceAmbiguousError(f"The image was made, and cannot be fetched: {exc}") from exc


def read_answer_image(text: str, *, mime_type: str | None = None) -> MediaSource:
    """Return an image that an answer holds itself.

    Args:
        text: Base64, with or without line breaks and padding, or a ``data:`` URL.
        mime_type: The media type that the answer declares; the bytes and the URL come before it.

    Returns:
        A source with ``data`` and ``mime_type``.

    Raises:
        InferenceInvalidAnswerError: It is no base64, empty, or no image.
    """
    from pipelex.cogt.inference.media_types import decode_base64, is_data_url

    text = text.strip()
    try:
        if is_data_url(text):
            source = MediaSource(url=text)
            source = MediaSource(data=source.data, mime_type=_image_type(source.mime_type or mime_type))
        else:
            source = MediaSource(data=decode_base64(text), mime_type=_image_type(mime_type))
        return source._checked(source.data or b"", None, _LARGEST_IMAGE)
    except ValueError as exc:
        raise InferenceInvalidAnswerError(f"The answer holds an image that cannot be read: {exc}") from exc


def image_type_of(data: bytes, declared: str) -> str:
    """Return the media type of an image that a model made: by its bytes, or else as the driver declares it.

    Raises:
        InferenceInvalidAnswerError: There are no bytes, or they are something else than an image.
    """
    from pipelex.cogt.inference.media_types import UNKNOWN, beginning_of, is_image, media_type_of

    kind = media_type_of(data, declared=(declared,))
    if not data:
        raise InferenceInvalidAnswerError("The model's image is empty")
    if kind != UNKNOWN and not is_image(kind):
        msg = f"The model's image is no image but {kind}; it begins with {beginning_of(data)}"
        raise InferenceInvalidAnswerError(msg)
    return declared if kind == UNKNOWN else kind


def _image_type(declared: str | None) -> str:
    from pipelex.cogt.inference.media_types import is_image

    return declared if declared is not None and is_image(declared) else "image/*"

"""What comes back from Gemini's generateContent, whole or in pieces.

https://ai.google.dev/api/generate-content
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from pipelex.cogt.inference.answer_parts import arguments_of
from pipelex.cogt.inference.inference_result import FinishReason
from pipelex.cogt.inference.media import MediaSource
from pipelex.cogt.llm.llm_job import (
    AnswerUpdate,
    Citation,
    ImagePart,
    LLMAnswer,
    PartDone,
    ReasoningDelta,
    ReasoningPart,
    TextDelta,
    TextPart,
    TokenLogprob,
    ToolCallPart,
    VendorPart,
)
from pipelex.providers.google.content import all_parts, ending_of, usage_of
from pipelex.providers.google.messages import Opaque

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.genai.types import (
        Candidate,
        GenerateContentResponse,
        GroundingChunk,
        LogprobsResult,
        LogprobsResultCandidate,
        Part,
    )

    from pipelex.cogt.llm.llm_job import LLMEvent

_OF_ANY_PART = {"thought", "thought_signature", "part_metadata", "media_resolution", "video_metadata", "text"}


def answer_of(response: GenerateContentResponse) -> LLMAnswer:
    """Read a whole answer.

    Args:
        response: What the SDK returned.
    """
    reader = StreamReader()
    update, *events = (*reader.events(response), *reader.end())
    assert isinstance(update, AnswerUpdate)  # the first event of each answer
    return LLMAnswer(
        parts=tuple([event.part for event in events if isinstance(event, PartDone)]),
        usage=update.usage,
        finish_reason=update.finish_reason or FinishReason.OTHER,
        finish_detail=update.finish_detail,
        model_served=update.model_served,
        request_id=update.request_id,
        logprobs=update.logprobs,
    )


class StreamReader:
    """Turns the responses of one streamed answer into events.

    Texts in a row are one part, for a stream cuts them anywhere. A signed text is a part of its own, even an empty one:
    Google wants signatures back where they were. What comes next closes a part, because its citations come last.

    Attributes:
        has_ended: Whether a finish reason came.
    """

    def __init__(self) -> None:
        self.has_ended = False
        self._is_announced = False
        self._part_count = 0
        self._claims: dict[_Claim, None] = {}
        self._open()

    def events(self, response: GenerateContentResponse) -> Iterator[LLMEvent]:
        """Read a response."""
        reason, detail = ending_of(response)
        parts, candidate = all_parts(response), _candidate(response)
        self.has_ended = self.has_ended or reason is not None
        logprobs = _logprobs(candidate)
        if not self._is_announced or reason is not None or logprobs or not parts:
            self._is_announced = True
            yield AnswerUpdate(
                usage=usage_of(response),  # each piece has the counts so far
                finish_reason=reason,
                finish_detail=detail,
                model_served=response.model_version,
                request_id=response.response_id,
                logprobs=logprobs,
            )
        if candidate is not None:
            self._claims |= dict.fromkeys(_claims(candidate))
        for part in parts:
            yield from self._piece(part) if _is_text(part) else self._whole(part)
            self._part_count += 1

    def end(self) -> Iterator[LLMEvent]:
        """Close the part that is under way."""
        yield from self._close()

    def _open(self, *, is_text: bool = True, opaque: str | None = None) -> None:
        self._is_text, self._opaque = is_text, opaque
        self._pieces: list[str] = []
        self._numbers: list[int] = []  # which part of the response each piece is, counted from 0
        self._signatures: list[PartDone] = []  # empty texts that follow, for their signatures

    def _piece(self, part: Part) -> Iterator[LLMEvent]:
        """Read a text or a thought, or a piece of one."""
        text, is_text = part.text, not part.thought
        opaque = Opaque(signature=part.thought_signature).as_text() if part.thought_signature else None
        if text:
            if opaque is not None or self._opaque is not None or self._signatures or is_text is not self._is_text:
                yield from self._close()
                self._open(is_text=is_text, opaque=opaque)
            self._pieces.append(text)
            self._numbers.append(self._part_count)
            yield TextDelta(text=text) if is_text else ReasoningDelta(text=text)
        elif opaque is not None:
            signed = TextPart(text="", opaque=opaque) if is_text else ReasoningPart(opaque=opaque)
            self._signatures.append(PartDone(part=signed))

    def _whole(self, part: Part) -> Iterator[LLMEvent]:
        """Read a part that is no text: it comes whole."""
        yield from self._close()
        call, file = part.function_call, part.inline_data
        opaque = Opaque(signature=part.thought_signature, id=call.id if call is not None else None).as_text()
        if call is not None:
            name, arguments = call.name or "", arguments_of(call.args or {})
            yield PartDone(part=ToolCallPart(id=call.id or "", name=name, arguments=arguments, opaque=opaque))
        elif file is not None and file.data and (file.mime_type or "").startswith("image/"):
            source = MediaSource(data=file.data, mime_type=file.mime_type)
            yield PartDone(part=ImagePart(source=source, opaque=opaque))
        else:
            plain = part.model_dump_json(exclude_none=True)
            yield PartDone(part=VendorPart(vendor_kind=_kind(part) or "part", opaque=plain))

    def _close(self) -> Iterator[LLMEvent]:
        text = "".join(self._pieces)
        if text and self._is_text:
            yield PartDone(part=TextPart(text=text, citations=tuple(self._citations(text)), opaque=self._opaque))
        elif text:
            yield PartDone(part=ReasoningPart(text=text, opaque=self._opaque))
        yield from self._signatures
        self._open()

    def _citations(self, text: str) -> Iterator[Citation]:
        """Yield the sources of the text that is under way."""
        if not self._claims:
            return
        ends = accumulate((len(piece.encode()) for piece in self._pieces), initial=0)
        starts = dict(zip(self._numbers, ends, strict=False))
        for claim in self._claims:
            if claim.part is None or claim.part in starts or (claim.words and claim.words in text):
                yield claim.citation(text, starts.get(claim.part or 0, 0))


class _Claim(NamedTuple):
    """A source of some words.

    Attributes:
        part: Which part of the response they are in.
        start: Where they begin in it, counted in bytes of UTF-8; Google leaves 0 out.
        end: Where they end.
        words: The words.
    """

    part: int | None
    start: int
    end: int
    words: str | None
    url: str | None
    title: str | None
    quoted: str | None = None

    def citation(self, text: str, base: int) -> Citation:
        """Return the citation in a text whose part begins at a byte of it; without a place where the words differ."""
        written = text.encode()
        start, end = _length(written[: base + self.start]), _length(written[: base + self.end])
        if self.words is not None and text[start:end] != self.words:
            start = text.find(self.words)  # a stream does not count its parts as a whole answer does
            end = start + len(self.words)
        is_found = 0 <= start < end <= len(text)
        return Citation(
            url=self.url,
            title=self.title,
            quoted=self.quoted,
            start=start if is_found else None,
            end=end if is_found else None,
        )


def _length(written: bytes) -> int:
    return len(written.decode(errors="ignore"))


def _claims(candidate: Candidate) -> Iterator[_Claim]:
    grounding, recited = candidate.grounding_metadata, candidate.citation_metadata
    sources = (grounding.grounding_chunks if grounding is not None else None) or []
    for support in (grounding.grounding_supports if grounding is not None else None) or []:
        segment = support.segment
        if segment is None:
            continue
        for index in support.grounding_chunk_indices or []:
            if 0 <= index < len(sources):
                place = (segment.part_index or 0, segment.start_index or 0, segment.end_index or 0, segment.text)
                yield _Claim(*place, *_source(sources[index]))
    for one in (recited.citations if recited is not None else None) or []:
        yield _Claim(None, one.start_index or 0, one.end_index or 0, None, one.uri, one.title)


def _source(chunk: GroundingChunk) -> tuple[str | None, str | None, str | None]:
    """Return the address of a source, its title and its words, as far as Google gives them."""
    if chunk.web is not None:
        return chunk.web.uri, chunk.web.title, None
    found = chunk.retrieved_context or chunk.maps
    return (found.uri, found.title, found.text) if found is not None else (None, None, None)


def _candidate(response: GenerateContentResponse) -> Candidate | None:
    return response.candidates[0] if response.candidates else None


def _is_text(part: Part) -> bool:
    return part.text is not None or _kind(part) is None


def _kind(part: Part) -> str | None:
    """Return what a part holds beside a text, in Google's word."""
    fields = sorted(part.model_fields_set - _OF_ANY_PART)
    return next((name for name in fields if getattr(part, name) is not None), None)


def _logprobs(candidate: Candidate | None) -> tuple[TokenLogprob, ...]:
    result: LogprobsResult | None = candidate.logprobs_result if candidate is not None else None
    if result is None:
        return ()
    tops = [tuple(_token(one) for one in place.candidates or []) for place in result.top_candidates or []]
    chosen = [_token(one) for one in result.chosen_candidates or []]
    tops += [()] * (len(chosen) - len(tops))
    return tuple(
        TokenLogprob(token=token, logprob=logprob, top=top) for (token, logprob), top in zip(chosen, tops, strict=False)
    )


def _token(candidate: LogprobsResultCandidate) -> tuple[str, float]:
    return candidate.token or "", candidate.log_probability or 0.0

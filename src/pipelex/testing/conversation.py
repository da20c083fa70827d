"""The vendor of the checks of conversations: it is ordered whole answers, with thoughts, tool calls and citations."""

from __future__ import annotations

import json
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelex.cogt.inference.inference_result import FinishReason, InferenceResult
from pipelex.cogt.llm.llm_job import LLMAnswer
from pipelex.testing.loopback import LoopbackVendor

if TYPE_CHECKING:
    from pipelex.cogt.llm.llm_job import ToolCallPart
    from pipelex.testing.loopback import HttpReply, HttpRequest


@dataclass(frozen=True, kw_only=True)
class AnswerOrder(InferenceResult[str]):
    """The order to answer with parts.

    Attributes:
        answer: The answer, as the driver's hook is to return it.
    """

    answer: LLMAnswer

    @classmethod
    def of(cls, answer: LLMAnswer) -> AnswerOrder:
        """Make an order of an answer."""
        reason = answer.finish_reason or FinishReason.STOP
        return cls(
            content=answer.text,
            usage=answer.usage,
            finish_reason=reason,
            model_served=answer.model_served,
            answer=answer,
        )


class ConversationVendor(LoopbackVendor[str]):
    """A vendor whose models call tools: derive from it in place of ``LoopbackVendor``, and write ``reply_with``."""

    @abstractmethod
    def reply_with(self, request: HttpRequest, answer: LLMAnswer) -> HttpReply:
        """Return an answer in the vendor's wire format.

        What the format has no place for (signatures, citations, counts) is left out: the checks compare what is in the
        reply. A request to count tokens is answered by ``answer.usage.input_tokens``.

        Args:
            request: What the SDK sent; it holds, for one, whether a stream is wanted.
            answer: The answer that the driver's hook is to make of the reply: its parts in their order, usage, finish
                reason, model. The arguments of a call may be half of a JSON text, where the answer was cut off.
        """

    def reply(self, request: HttpRequest, answer: InferenceResult[str]) -> HttpReply:
        """Return an answer in the vendor's wire format; a text is an answer of one part."""
        if isinstance(answer, AnswerOrder):
            return self.reply_with(request, answer.answer)
        whole = LLMAnswer(
            text=answer.content,
            usage=answer.usage,
            finish_reason=answer.finish_reason,
            model_served=answer.model_served,
        )
        return self.reply_with(request, whole)

    def texts_of(self, reply: HttpReply) -> str:
        """Return the JSON of a reply as text, in which the kit looks for what it ordered."""
        pieces = reply.pieces if reply.pieces is not None else (reply.body,)
        return "\n".join(json.dumps(self.read_piece(piece), ensure_ascii=False) for piece in pieces)


def arguments_of(call: ToolCallPart) -> dict[str, object]:
    """Return the arguments of a call, for formats that hold an object and no text; of half a text, nothing.

    Args:
        call: The call that is ordered.
    """
    try:
        found: object = json.loads(call.arguments or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}

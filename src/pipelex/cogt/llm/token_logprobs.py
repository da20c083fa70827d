"""Log probabilities of tokens, in the shape of chat completions."""

from __future__ import annotations

from pipelex.cogt.inference.answer_parts import field_of, items_of
from pipelex.cogt.llm.llm_job import TokenLogprob

__all__ = ["logprobs_of"]


def logprobs_of(logprobs: object) -> tuple[TokenLogprob, ...]:
    """Read the log probabilities of an answer, or of a piece of one; what is missing or mistyped costs nothing.

    Args:
        logprobs: ``{"content": [{"token": ..., "logprob": ..., "top_logprobs": [...]}]}``, as a record or a mapping.
    """
    return tuple(_logprob(token) for token in items_of(field_of(logprobs, "content")))


def _logprob(token: object) -> TokenLogprob:
    text, value = _token(token)
    return TokenLogprob(token=text, logprob=value, top=tuple(map(_token, items_of(field_of(token, "top_logprobs")))))


def _token(token: object) -> tuple[str, float]:
    value = field_of(token, "logprob")
    return str(field_of(token, "token") or ""), float(value) if isinstance(value, int | float) else 0.0

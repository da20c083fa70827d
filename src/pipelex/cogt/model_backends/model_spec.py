"""The resolved record of a model, and what a model can declare to be able to do."""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING

from pipelex.field_types import with_field_types
from pipelex.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelex.plugins.inference_backend_registry import InferenceFamily

__all__ = ["CallPolicy", "Capability", "InferenceModelSpec"]


class Capability(StrEnum):
    """What a model declares beyond its family's plain call. What it does not declare is refused.

    The parameter of a job and the capability that it needs bear the same name.
    """

    STRUCTURED_OUTPUT = "structured_output"
    """Answers that fit a JSON schema (LLM, SEARCH)."""
    STREAMING = "streaming"
    """Answers in pieces as they are made (LLM)."""
    SYSTEM_TEXT = "system_text"
    """An instruction beside the user's text (LLM)."""
    IMAGES = "images"
    """Images as input (LLM, IMG_GEN)."""
    DOCUMENTS = "documents"
    """PDF documents as input (LLM)."""
    TEMPERATURE = "temperature"
    MAX_TOKENS = "max_tokens"
    SEED = "seed"
    STOP = "stop"
    REASONING_EFFORT = "reasoning_effort"
    HISTORY = "history"
    """The conversation before the user's text (LLM)."""
    TOOLS = "tools"
    """Tools that the model may call (LLM)."""
    TOOL_CHOICE = "tool_choice"
    """A say in whether the model calls a tool, and which (LLM)."""
    SINGLE_TOOL_CALL = "single_tool_call"
    """At most one tool call in an answer (LLM)."""
    TOOL_RESULT_FILES = "tool_result_files"
    """Images and documents inside the result of a tool; without it they go into the user's turn after it (LLM)."""
    STRUCTURED_OUTPUT_WITH_TOOLS = "structured_output_with_tools"
    """Tools and an answer that fits a JSON schema in one job; without it the answer is a tool too (LLM)."""
    TOKEN_COUNTING = "token_counting"  # noqa: S105 - the name of a capability
    """The count of a job's tokens, before it is sent (LLM)."""
    TOP_P = "top_p"
    TOP_K = "top_k"
    PRESENCE_PENALTY = "presence_penalty"
    FREQUENCY_PENALTY = "frequency_penalty"
    SHOW_REASONING = "show_reasoning"
    """What the model thought, as a part of its answer (LLM)."""
    TOP_LOGPROBS = "top_logprobs"
    """How likely the tokens of the answer were (LLM)."""
    PROMPT_CACHE = "prompt_cache"
    """A say in how the vendor keeps the beginning of a prompt (LLM)."""
    VENDOR_PARAMS = "vendor_params"
    """Parameters of the vendor's own request (LLM)."""
    NEGATIVE_TEXT = "negative_text"
    """What an image should not show (IMG_GEN)."""
    COUNT = "count"
    """More than one image per call (IMG_GEN)."""
    SIZE = "size"
    ASPECT_RATIO = "aspect_ratio"
    QUALITY = "quality"
    OUTPUT_FORMAT = "output_format"
    BACKGROUND = "background"
    URL = "url"
    """A document given by its address rather than its bytes (EXTRACT)."""
    PAGES = "pages"
    """A choice of pages (EXTRACT)."""
    PASSWORD = "password"  # noqa: S105 - the name of a capability
    """Encrypted documents (EXTRACT)."""
    EMBEDDED_IMAGES = "embedded_images"
    """The images that stand on a page (EXTRACT)."""
    PAGE_VIEW_DPI = "page_view_dpi"
    """A picture of each page at a chosen resolution (EXTRACT)."""
    TABLES = "tables"
    """The tables of a page, told apart from its text (EXTRACT)."""
    MAX_RESULTS = "max_results"
    INCLUDE_DOMAINS = "include_domains"
    EXCLUDE_DOMAINS = "exclude_domains"
    FROM_DATE = "from_date"
    TO_DATE = "to_date"


@dataclass(frozen=True, kw_only=True)
class CallPolicy:
    """Time-outs, retries and limits of the calls to a backend: the same for all its models, set in its table.

    Attributes:
        timeout_s: How long one attempt may take, in seconds, from request to whole answer. Where the answer comes in
            pieces, for the caller or for the worker base: from one piece to the next. Also how long a call waits for a
            slot while all are taken.
        connect_timeout_s: How long it may take to reach the backend, in seconds. A request that did not get there is
            known not to have arrived: it is sent again, and never taken for one that may be charged. For the driver's
            SDK to keep; without effect where ``timeout_s`` is shorter.
        max_attempts: How often a call is sent at most; only failures that are known to be transient are repeated.
            Where it is above 1, two kinds of refusal do not count: a 429 while the backend answers other calls, and a
            backend that cannot be reached, which ``max_outage_s`` limits.
        deadline_s: How long a call may take, in seconds: the wait for a slot, every attempt, every pause. A stream: up
            to its first piece.
        max_retry_after_s: The longest pause that a backend may ask for (``Retry-After``), in seconds; a call that
            is asked to wait longer fails at once, and its error says how long.
        max_outage_s: How long a backend that cannot be reached is tried again, in seconds: one call at a time, for
            all that wait; then they fail. 0: each call is repeated by itself, as ``max_attempts`` says.
        max_validation_retries: How often a model is shown what is wrong with its structured answer and asked again.
        max_concurrency: How many calls run at once, open streams included; the others wait for a slot.
        requests_per_minute: How many requests are sent in a minute, evenly spaced; no limit if not given.
        tokens_per_minute: How many tokens are sent and received in a minute; no limit if not given. A request counts
            as its characters / 4 and its ``max_tokens`` until the backend reports what it used.
    """

    timeout_s: float = 300.0
    connect_timeout_s: float = 10.0
    max_attempts: int = 3
    deadline_s: float = 600.0
    max_retry_after_s: float = 60.0
    max_outage_s: float = 5.0
    max_validation_retries: int = 1
    max_concurrency: int = 64
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


@dataclass(frozen=True, kw_only=True)
class InferenceModelSpec:
    """A model as the catalogue resolves it; its ``sdk`` alone decides which worker serves it.

    Attributes:
        name: The name by which it is asked for (``"smollm2"`` or ``"backend/model-id"``).
        family: The family in which it is used.
        backend_name: The configured backend that it is reached through.
        sdk: The sdk that serves it.
        model_id: The vendor's id of it, sent on the wire.
        capabilities: What it declares to be able to do.
        context_window: Its context window in tokens, where known. A prompt of more than 8 times as many characters is
            refused before it is sent.
        max_output_tokens: The longest answer in tokens to ask for where the job does not say.
        policy: How patient the calls to its backend are.
        endpoint: The base URL of its backend, where one is configured.
        price_provider: Whose prices its calls are charged at, as genai-prices names the provider; unknown if not given.
        extra_headers: Headers to send with its requests, beside those of its backend.
        extra_body: Fields to send in the body of its requests; they override those of the driver.
        extras: Whatever else its table in the catalogue holds, for its driver; a list as a tuple.
    """

    name: str
    family: InferenceFamily
    backend_name: str
    sdk: str
    model_id: str
    capabilities: frozenset[Capability] = frozenset()
    context_window: int | None = None
    max_output_tokens: int | None = None
    policy: CallPolicy = CallPolicy()
    endpoint: str | None = field(default=None, repr=False, compare=False)
    price_provider: str | None = None
    extra_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    extra_body: Mapping[str, object] = field(default_factory=dict, repr=False)
    extras: Mapping[str, str | int | float | bool | tuple[str | int | float | bool, ...]] = field(default_factory=dict)

    __get_pydantic_core_schema__ = with_field_types

    def choice(self, key: str, *choices: str) -> str:
        """Return an extra that is one of some words.

        Args:
            key: The key in the model's table, or in its backend's.
            choices: The words; the first is what it is where no table states it.

        Raises:
            InferenceRequestError: A table states another word.
        """
        value = self.extras.get(key, choices[0])
        if value not in choices:
            from pipelex.cogt.exceptions import InferenceRequestError

            words = " or ".join(map(repr, dict.fromkeys(choices)))
            raise InferenceRequestError(f"The model's '{key}' is '{value}'; it is {words}")
        return str(value)

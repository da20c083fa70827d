"""The conformance kit, held against the Acme plugin: a fake vendor says Acme's wire format, the kit does the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from my_pkg.acme_plugin import AcmePlugin

from pipelex.cogt.inference.inference_result import FinishReason
from pipelex.cogt.model_backends.model_spec import Capability
from pipelex.testing.llm import LLMConformance
from pipelex.testing.loopback import HttpReply, HttpRequest, LoopbackVendor

if TYPE_CHECKING:
    from pipelex.cogt.inference.inference_result import InferenceResult
    from pipelex.plugins.contract import PipelexPlugin

pytest_plugins = ["pipelex.testing"]

REASONS = {FinishReason.STOP: "stop", FinishReason.LENGTH: "length", FinishReason.CONTENT_FILTER: "refused"}


class AcmeVendor(LoopbackVendor[str]):
    """Answers as an Acme server does."""

    def reply(self, request: HttpRequest, answer: InferenceResult[str]) -> HttpReply:
        """Say an answer: one JSON object, or one a line where a stream is asked for."""
        usage = answer.usage
        end = {
            "model": answer.model_served or "acme-small",
            "finish_reason": REASONS[answer.finish_reason],
            "usage": {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens} if usage else None,
        }
        if not request.json().get("stream"):
            return HttpReply.json({**end, "text": answer.content})
        words = [{"model": end["model"], "text": word} for word in answer.content.split(" ")]
        for word in words[1:]:
            word["text"] = f" {word['text']}"
        return HttpReply.json_lines([*words, {**end, "text": ""}])

    def refusal(self, request: HttpRequest, status: int) -> HttpReply:  # noqa: ARG002
        """Say an error."""
        return HttpReply.json({"error": f"You asked for a {status}"}, status=status)


class TestAcme(LLMConformance):
    """Every check of the LLM family."""

    sdk = "acme"
    model_id = "acme-small"
    capabilities = frozenset(
        {Capability.STRUCTURED_OUTPUT, Capability.STREAMING, Capability.SYSTEM_TEXT, Capability.MAX_TOKENS}
    )
    sdk_imports = ("acme",)
    extra = "acme"
    essential_keys = {"finish_reason = *": "without it, the Acme SDK takes a stream for broken off"}  # noqa: RUF012
    sdk_refuses = {  # noqa: RUF012
        "* = missing": "the Acme SDK refuses an answer without one of its fields",
        "usage = another type": "likewise",
    }

    def plugin(self) -> PipelexPlugin:
        """Return the plugin."""
        return AcmePlugin()

    def vendor(self) -> AcmeVendor:
        """Return a fake Acme server."""
        return AcmeVendor()

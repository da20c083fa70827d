"""The conformance kit, held against the Quill plugin, by a server of the kit that speaks chat completions."""

from quill_plugin import QuillPlugin

from pipelex.cogt.model_backends.model_spec import Capability
from pipelex.testing.chat_completions import ChatCompletionsVendor
from pipelex.testing.llm import LLMConformance

pytest_plugins = ["pipelex.testing"]


class TestQuill(LLMConformance):
    """Every check of the LLM family."""

    sdk = "quill"
    model_id = "quill-1"
    capabilities = frozenset(
        {
            *(Capability.STREAMING, Capability.SYSTEM_TEXT, Capability.TEMPERATURE, Capability.MAX_TOKENS),
            *(Capability.HISTORY, Capability.TOOLS, Capability.TOOL_CHOICE, Capability.SINGLE_TOOL_CALL),
            *(Capability.STRUCTURED_OUTPUT, Capability.STRUCTURED_OUTPUT_WITH_TOOLS),
        }
    )
    sdk_imports = ("httpx",)
    extra = "quill"
    essential_keys = {"choices*": "the choice says why the answer ended"}  # noqa: RUF012

    def plugin(self) -> QuillPlugin:
        """Return the plugin."""
        return QuillPlugin()

    def vendor(self) -> ChatCompletionsVendor:
        """Return a server of the kit."""
        return ChatCompletionsVendor()

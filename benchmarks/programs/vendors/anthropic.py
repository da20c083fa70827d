"""The same calls on Anthropic's SDK alone."""

from anthropic import AsyncAnthropic
from question import MODEL, TEXT, TIMEOUT_S, Order

ASKED = {
    "model": MODEL,
    "max_tokens": 8192,
    "messages": [{"role": "user", "content": [{"type": "text", "text": TEXT}]}],
}


class Raw:
    """The SDK with the settings of our driver: its own HTTP client, retries off."""

    def __init__(self, url):
        self.client = AsyncAnthropic(
            base_url=f"{url}/anthropic", api_key="anthropic-key", timeout=TIMEOUT_S, max_retries=0
        )

    async def text(self):
        message = await self.client.messages.create(**ASKED)
        return message.content[0].text

    async def object(self):
        message = await self.client.messages.parse(**ASKED, output_format=Order)
        return message.parsed_output

    async def pieces(self):
        async with await self.client.messages.create(**ASKED, stream=True) as events:
            async for event in events:
                if event.type == "content_block_delta" and event.delta.type == "text_delta":
                    yield event.delta.text

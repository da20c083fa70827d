"""The same calls on OpenAI's SDK alone."""

from openai import AsyncOpenAI
from question import MODEL, TEXT, TIMEOUT_S, Order

MESSAGES = [{"role": "user", "content": TEXT}]


class Raw:
    """The SDK with the settings of our driver: its own HTTP client, retries off."""

    def __init__(self, url):
        self.client = AsyncOpenAI(base_url=f"{url}/openai/v1", api_key="openai-key", timeout=TIMEOUT_S, max_retries=0)

    async def text(self):
        completion = await self.client.chat.completions.create(model=MODEL, messages=MESSAGES)
        return completion.choices[0].message.content

    async def object(self):
        completion = await self.client.chat.completions.parse(model=MODEL, messages=MESSAGES, response_format=Order)
        return completion.choices[0].message.parsed

    async def pieces(self):
        stream = await self.client.chat.completions.create(
            model=MODEL, messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        )
        async with stream:
            async for chunk in stream:
                if chunk.choices and chunk.choices[0].delta.content:
                    yield chunk.choices[0].delta.content

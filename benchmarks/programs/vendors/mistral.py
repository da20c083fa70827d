"""The same calls on Mistral's SDK alone."""

import httpx2
from mistralai.client import Mistral
from question import MODEL, TEXT, TIMEOUT_S, Order

ASKED = {"model": MODEL, "messages": [{"role": "user", "content": TEXT}]}


class Raw:
    """The SDK with the settings of our driver: the same HTTP client, retries off."""

    def __init__(self, url):
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=256)
        self.chat = Mistral(
            api_key="mistral-key",
            server_url=f"{url}/mistral",
            async_client=httpx2.AsyncClient(follow_redirects=True, limits=limits),
            retry_config=None,
            timeout_ms=round(TIMEOUT_S * 1000),
        ).chat

    async def text(self):
        response = await self.chat.complete_async(**ASKED)
        return response.choices[0].message.content

    async def object(self):
        response = await self.chat.parse_async(response_format=Order, **ASKED)
        return response.choices[0].message.parsed

    async def pieces(self):
        async with await self.chat.stream_async(**ASKED) as events:
            async for event in events:
                if event.data.choices[0].delta.content:
                    yield event.data.choices[0].delta.content

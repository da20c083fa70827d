"""The same calls on Google's SDK alone."""

import httpx2
from google.genai import Client
from google.genai.types import (
    AutomaticFunctionCallingConfig,
    Content,
    GenerateContentConfig,
    HttpOptions,
    HttpRetryOptions,
    Part,
)
from question import MODEL, TEXT, TIMEOUT_S, Order


class Raw:
    """The SDK with the settings of our driver: the same HTTP client, retries off."""

    def __init__(self, url):
        http = httpx2.AsyncClient(
            timeout=TIMEOUT_S,
            follow_redirects=True,
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=256),
        )
        options = HttpOptions(
            base_url=f"{url}/google",
            timeout=round(TIMEOUT_S * 1000),
            retry_options=HttpRetryOptions(attempts=1),
            httpx_async_client=http,
        )
        self.models = Client(enterprise=False, api_key="google-key", http_options=options).aio.models

    @staticmethod
    def asked(**config):
        no_tools = AutomaticFunctionCallingConfig(disable=True)
        return {
            "model": MODEL,
            "contents": [Content(role="user", parts=[Part.from_text(text=TEXT)])],
            "config": GenerateContentConfig(automatic_function_calling=no_tools, **config),
        }

    async def text(self):
        response = await self.models.generate_content(**self.asked())
        return response.text

    async def object(self):
        schema = {"response_mime_type": "application/json", "response_schema": Order}
        response = await self.models.generate_content(**self.asked(**schema))
        return response.parsed

    async def pieces(self):
        async for response in await self.models.generate_content_stream(**self.asked()):
            if response.text:
                yield response.text

"""``first_raw.py URL``: from the start of Python to a first answer, on OpenAI's SDK alone."""

import asyncio
import sys

from openai import AsyncOpenAI


async def main(url):
    async with AsyncOpenAI(base_url=f"{url}/openai/v1", api_key="openai-key", timeout=300.0, max_retries=0) as client:
        messages = [{"role": "user", "content": "Why is the sky blue?"}]
        completion = await client.chat.completions.create(model="bench", messages=messages)
        assert completion.choices[0].message.content


asyncio.run(main(sys.argv[1]))

"""Instructor around an older OpenAI SDK, which it insists on. Without a type to fit it hands the call through."""

import instructor
from openai import AsyncOpenAI
from peers import asked


def make(url):
    sdk = AsyncOpenAI(base_url=f"{url}/openai/v1", api_key="key", max_retries=0)
    client = instructor.from_openai(sdk)

    async def ask():
        completion = await client.chat.completions.create(
            model=asked.MODEL, messages=asked.MESSAGES, response_model=None
        )
        return completion.choices[0].message.content

    return ask

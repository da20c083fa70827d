"""OpenAI's SDK alone: what all the others stand on."""

from openai import AsyncOpenAI
from peers import asked


def make(url):
    client = AsyncOpenAI(base_url=f"{url}/openai/v1", api_key="key", max_retries=0)

    async def ask():
        completion = await client.chat.completions.create(model=asked.MODEL, messages=asked.MESSAGES)
        return completion.choices[0].message.content

    return ask

"""any-llm, with its client made once."""

from any_llm import AnyLLM
from peers import asked


def make(url):
    client = AnyLLM.create("openai", api_key="key", api_base=f"{url}/openai/v1", max_retries=0)

    async def ask():
        completion = await client.acompletion(model=asked.MODEL, messages=asked.MESSAGES)
        return completion.choices[0].message.content

    return ask

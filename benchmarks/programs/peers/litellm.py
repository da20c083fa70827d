"""LiteLLM; it would fetch its list of prices over the network when it is imported, which is switched off."""

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

from litellm import acompletion
from peers import asked


def make(url):
    arguments = {"model": f"openai/{asked.MODEL}", "api_base": f"{url}/openai/v1", "api_key": "key", "max_retries": 0}

    async def ask():
        completion = await acompletion(messages=asked.MESSAGES, **arguments)
        return completion.choices[0].message.content

    return ask

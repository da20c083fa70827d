"""simonw/llm as a library: its own model for servers that speak OpenAI's format. It makes a client for each call."""

from llm.default_plugins.openai_models import AsyncChat
from peers import asked


def make(url):
    model = AsyncChat(asked.MODEL, model_name=asked.MODEL, api_base=f"{url}/openai/v1")

    async def ask():
        return await (await model.prompt(asked.TEXT, key="key", stream=False)).text()

    return ask

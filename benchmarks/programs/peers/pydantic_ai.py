"""Pydantic AI: an agent without tools."""

from peers import asked
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider


def make(url):
    agent = Agent(OpenAIChatModel(asked.MODEL, provider=OpenAIProvider(base_url=f"{url}/openai/v1", api_key="key")))

    async def ask():
        return (await agent.run(asked.TEXT)).output

    return ask

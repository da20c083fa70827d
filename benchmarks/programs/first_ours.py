"""From the start of Python to a first answer, through our driver for OpenAI; the configuration names the server."""

import asyncio

from pipelex.boot import Pipelex


async def main():
    async with Pipelex.setup() as px:
        assert await px.llm("openai/bench").gen_text("Why is the sky blue?")


asyncio.run(main())

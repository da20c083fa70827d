"""Ours; the configuration of the working directory names the server."""

from peers import asked

from pipelex.boot import Pipelex


def make(_url):
    worker = Pipelex.setup().llm(f"openai/{asked.MODEL}")

    async def ask():
        return await worker.gen_text(asked.TEXT)

    return ask

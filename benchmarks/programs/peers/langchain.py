"""LangChain's init_chat_model, with langchain-openai."""

from langchain.chat_models import init_chat_model
from peers import asked


def make(url):
    arguments = {"base_url": f"{url}/openai/v1", "api_key": "key", "max_retries": 0}
    model = init_chat_model(asked.MODEL, model_provider="openai", **arguments)

    async def ask():
        return (await model.ainvoke(asked.TEXT)).content

    return ask

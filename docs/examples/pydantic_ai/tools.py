"""The question of ``programs/tools.py`` in pydantic-ai: ``python tools.py PROVIDER:MODEL QUESTION``."""

import sys
from typing import Annotated

from pydantic import Field
from pydantic_ai import Agent, ModelRetry


def get_weather(city: Annotated[str, Field(description="The city's name.", max_length=20)]) -> dict[str, float]:
    """Return the weather of a city."""
    if city == "Atlantis":
        raise ModelRetry("There is no such city.")
    return {"degrees": 31.0}


def now() -> str:
    """Return the time."""
    return "12:00"


agent = Agent(sys.argv[1], tools=[get_weather, now])
result = agent.run_sync(sys.argv[2])
print(result.output)
print(result.usage, file=sys.stderr)

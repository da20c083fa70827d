"""A question answered with tools: ``python tools.py MODEL QUESTION``."""

import sys
from typing import Annotated

from pydantic import Field

from pipelex.boot import Pipelex
from pipelex.cogt.exceptions import ToolError


def get_weather(city: Annotated[str, Field(description="The city's name.", max_length=20)]) -> dict[str, float]:
    """Return the weather of a city."""
    if city == "Atlantis":
        raise ToolError("There is no such city.")
    return {"degrees": 31.0}


def now() -> str:
    """Return the time."""
    return "12:00"


with Pipelex.setup() as px:
    run = px.llm(sys.argv[1]).run_tools_sync(sys.argv[2], [get_weather, now])
    print(run.output)
    print(run.rounds, "rounds,", run.usage, file=sys.stderr)

"""The chat of ``programs/chat.py`` in pydantic-ai: ``python chat.py PROVIDER:MODEL``."""

import sys

from pydantic_ai import Agent

agent = Agent(sys.argv[1], instructions="Be brief.")
history = None
for line in sys.stdin:
    result = agent.run_stream_sync(line.strip(), message_history=history)
    for piece in result.stream_text(delta=True):
        print(piece, end="", flush=True)
    print()
    history = result.all_messages()

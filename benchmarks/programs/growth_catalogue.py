"""What the catalogue of the working directory costs: to read and validate it, and to find one model in it."""

import json
from time import process_time

from pipelex.boot import Pipelex
from pipelex.plugins.inference_backend_registry import InferenceFamily

px = Pipelex.setup()
start = process_time()
settings = px.settings
read = process_time() - start

FINDS = 200
settings.resolve_model("openai/bench", family=InferenceFamily.LLM)
start = process_time()
for _ in range(FINDS):
    settings.resolve_model("gpt-5.6-sol", family=InferenceFamily.LLM)
print(json.dumps({"read": read, "find": (process_time() - start) / FINDS}))

"""What the catalogue of the working directory costs: to read and validate it, and to find one model in it.

Beside it, the parser alone on the same text: what no reader can save.
"""

import json
from pathlib import Path
from time import process_time

import tomli

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
find = (process_time() - start) / FINDS

text = Path(".pipelex", "models.toml").read_text(encoding="utf-8")
del px, settings
start = process_time()
tomli.loads(text)
print(json.dumps({"read": read, "find": find, "parse": process_time() - start}))

"""What ``Pipelex.setup()`` costs with the plugins that are on the path: they are found, imported and registered."""

import json
from time import process_time

from pipelex.boot import Pipelex

start = process_time()
Pipelex.setup()
print(json.dumps({"boot": process_time() - start}))

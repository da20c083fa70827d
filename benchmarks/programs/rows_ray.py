"""What Ray costs: the start of a cluster on this machine, and the CPU time of a row in all processes together."""

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, process_time
from uuid import uuid4

FEW, MANY = 200, 20_000
MARK = f"ROWS_RAY_{uuid4().hex}"
TICKS = {}  # the CPU time of the cluster's processes, by their number
PLUGIN = """
from pipelex.cogt.llm.llm_job import LLMAnswer
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
from pipelex.plugins.contract import PLUGIN_API_VERSION
from pipelex.plugins.inference_backend_registry import InferenceFamily


class Worker(LLMWorkerAbstract):
    async def _generate(self, job):
        return LLMAnswer(text=job.prompt.user_text)


class Plugin:
    name = "instant"
    targets_api = PLUGIN_API_VERSION

    def register(self, registrar):
        registrar.add_inference_backend(family=InferenceFamily.LLM, sdk="instant", make_worker=make_worker)


def make_worker(*, inference_model, backend, sdk_clients, reporting_delegate):
    return Worker(inference_model=inference_model, reporting_delegate=reporting_delegate)
"""


def install(folder):
    """Install the plugin, and configure its backend, for this process and those of the cluster."""
    metadata = folder / "instant-1.0.dist-info"
    metadata.mkdir()
    (folder / "instant_plugin.py").write_text(PLUGIN)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: instant\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[pipelex.plugins]\ninstant = instant_plugin:Plugin\n")
    (folder / "pipelex.toml").write_text("[backends.instant]\n")
    os.environ.update({"PYTHONPATH": str(folder), "PIPELEX_HOME": str(folder), MARK: "1"})
    sys.path.insert(0, str(folder))


def cpu_s():
    """Return the CPU time of this process and of the cluster's, those that have ended since the last call included.

    They are known by the environment that they have inherited. Ray does not wait for all of its processes, so that
    the figures of their parents are without what has ended.
    """
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if MARK.encode() in (process / "environ").read_bytes():
                TICKS[process.name] = sum(map(int, (process / "stat").read_text().rpartition(")")[2].split()[11:13]))
    return process_time() + sum(TICKS.values()) / os.sysconf("SC_CLK_TCK")


def run(px, rows):
    """Run rows; returns when the first one came, and the CPU time until then and in all."""
    from pipelex.bulk.options import MapOptions
    from pipelex.bulk.ray.engine import Ray

    before, began, first, count = cpu_s(), monotonic(), None, 0
    options = MapOptions(concurrency=64)
    for row in px.map_sync(range(rows), str, model="instant/m", options=options, engine=Ray(actors=2)):
        row.unwrap()
        count += 1
        first = first or (monotonic() - began, cpu_s() - before)
        if count == rows:  # the actors still run
            total = cpu_s() - before
    assert count == rows
    return *first, total


def main():
    with TemporaryDirectory() as folder:
        install(Path(folder))
        import ray

        from pipelex.boot import Pipelex

        began, before = monotonic(), cpu_s()
        ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        started, started_cpu = monotonic() - began, cpu_s() - before
        with Pipelex.setup() as px:
            first_s, first_cpu_s, few_s = run(px, FEW)
            *_, many_s = run(px, MANY)
        ray.shutdown()
    row_s = (many_s - few_s) / (MANY - FEW)
    print(json.dumps({"start": started + first_s, "start_cpu": started_cpu + first_cpu_s, "row": row_s}))


if __name__ == "__main__":
    main()

"""What finding a backend and making a worker cost, each beside the same done by hand; in one process, taking turns.

The base of the lookup is a function with the same call shape over a plain dictionary; that of the worker is a call of
the closure that the factory finds, with arguments made before.
"""

import json
from timeit import Timer

from pipelex.boot import Pipelex
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.worker_factories import LLMWorkerFactory

NAME = "openai/bench"
BATCHES = 40


def times_in_turn(number, **calls):
    """Return the times of a call, batch by batch, for each of the calls and once more for the first."""
    timers = {name: Timer(call) for name, call in calls.items()}
    first = next(iter(calls))
    timers[f"{first} again"] = Timer(calls[first])
    times = {name: [] for name in timers}
    for _ in range(BATCHES):
        for name, timer in timers.items():
            times[name].append(timer.timeit(number) / number)
    return times


def main():
    px = Pipelex.setup()
    registry = px.hub.inference_backends
    d = {key: registry.lookup(family=key[0], sdk=key[1]) for key in registry}
    family = InferenceFamily.LLM

    def f(*, family, sdk):
        return d[family, sdk]

    make_worker = f(family=family, sdk="openai")
    spec = px.settings.resolve_model(NAME, family=family)
    arguments = {
        "inference_model": spec,
        "backend": px.settings.resolve_backend(spec.backend_name),
        "sdk_clients": px.hub.sdk_clients,
        "reporting_delegate": None,
    }
    figures = times_in_turn(
        20_000,
        plain=lambda: f(family=family, sdk="openai"),
        lookup=lambda: registry.lookup(family=family, sdk="openai"),
    )
    figures |= times_in_turn(
        1_000,
        by_hand=lambda: make_worker(**arguments),
        of_name=lambda: px.llm(NAME),
        of_record=lambda: LLMWorkerFactory.make_llm_worker(spec, hub=px.hub),
    )
    print(json.dumps(figures))


if __name__ == "__main__":
    main()

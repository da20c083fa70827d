"""A process of its own that forks after calls of a driver were made, and prints which child hangs or fails.

The children call synchronously and in an event loop, close the clients, fork once more; they are forked from the main
thread, from another one, from a running event loop, by ``multiprocessing``, and while a thread holds every lock.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
import threading
import time
import traceback
from contextlib import ExitStack
from typing import TYPE_CHECKING

from pipelex.cogt.inference.sync_calls import call_sync
from pipelex.fork_safe_lock import _locks
from pipelex.testing.conformance import new_token
from tests.providers.faults.drivers import DRIVERS
from tests.providers.faults.test_changed_backends import OLD, System, open_vendor

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT_S = 30


def forked(what: str, *calls: Callable[[], object]) -> None:
    """Make calls in a child process, and print where they hang or fail."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            for call in calls:
                call()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    end = time.monotonic() + LIMIT_S
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
        if time.monotonic() > end:
            os.kill(child, 9)
            ended = os.waitpid(child, 0)
        time.sleep(0.005)
    if ended[1] != 0:
        print(what, "hangs" if ended[1] == 9 else "fails", flush=True)


def forked_while_locked(what: str, *calls: Callable[[], object]) -> None:
    """Fork while another thread holds the locks of all registries and logs."""
    is_held, is_over = threading.Event(), threading.Event()

    def hold() -> None:
        with ExitStack() as held:
            for known in list(_locks):
                lock = known()
                if lock is not None:
                    held.enter_context(lock)
            is_held.set()
            is_over.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    is_held.wait()
    try:
        forked(what, *calls)
    finally:
        is_over.set()
        holder.join()


def main(name: str, *, in_every_way: bool) -> None:
    """Call, fork, and call again.

    Args:
        name: The driver.
        in_every_way: Whether to fork in all the ways there are, which takes seconds.
    """
    with open_vendor(name) as vendor:
        system = System(DRIVERS[name], vendor)
        backend = system.backend(vendor, OLD)
        worker = system.worker(backend)

        async def call() -> None:
            token = new_token()
            content = await system.driver._call(worker, token, None)
            assert system.driver._tokens_in(content) is not None

        def sync() -> None:
            call_sync(call)

        def in_loop() -> None:
            asyncio.run(call())

        def anew() -> None:
            call_sync(system.driver._call, system.worker(backend), new_token(), None)

        async def from_a_loop() -> None:
            await call()
            forked("from a loop", sync, in_loop)
            await call()

        sync()
        forked_while_locked("a child", anew, system.clients.close, system.log.report)
        sync()  # the parent's connections are open still
        if not in_every_way:
            return
        in_loop()
        forked("a child that calls again", sync, anew, in_loop, sync)
        thread = threading.Thread(target=forked, args=("from a thread", sync, in_loop))
        thread.start()
        thread.join()
        forked("a grandchild", sync, lambda: forked("a child of a child", sync, in_loop))
        asyncio.run(from_a_loop())
        process = multiprocessing.get_context("fork").Process(target=sync)
        process.start()
        process.join(LIMIT_S)
        if process.exitcode != 0:
            print("multiprocessing", process.exitcode, flush=True)
        sync()
        system.clients.close()


if __name__ == "__main__":
    main(sys.argv[1], in_every_way=sys.argv[2:] == ["in every way"])
    os._exit(0)

"""A process that is forked after calls were made makes calls of its own, with every driver and in every way."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.providers.faults import forked_calls
from tests.providers.faults.drivers import DRIVERS

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked here")


def run(*arguments: str) -> None:
    """Fork in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", forked_calls.__name__, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
    assert (0, "") == (done.returncode, done.stdout), done.stderr


def test_a_forked_child_calls_and_leaves_its_parents_connections_alone() -> None:
    run("bedrock_boto3")  # its threads share a pool of connections


@pytest.mark.heavy
@pytest.mark.parametrize("name", DRIVERS)
def test_a_child_that_is_forked_in_whatever_way_calls(name: str) -> None:
    run(name, "in every way")

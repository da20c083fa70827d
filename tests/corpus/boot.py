"""Boots each of many plugins in a process of its own, and prints what became of it.

Standard input holds rows of source folder and entry points as JSON; the last line of standard output the answers. The
processes are forked from one that has imported what boot imports; where a system has no fork, the rows share one.
"""

from __future__ import annotations

import json
import os
import sys

from pipelex.config.plugins_config import PluginsConfig
from pipelex.plugins.discovery import survey_plugins
from pipelex.plugins.installed import EntryPoint, InstalledPlugin


def statuses(folder: str, entries: dict[str, str]) -> list[str]:
    """Return what became of the plugins of one distribution, beside the built-ins."""
    sys.path.insert(0, folder)
    installed = [InstalledPlugin(name, "corpus", "1", EntryPoint.parse(value)) for name, value in entries.items()]
    rows = survey_plugins(PluginsConfig(), installed=installed).rows
    sys.path.remove(folder)
    return [row.status for row in rows if row.origin == "external"]


def in_own_process(folder: str, entries: dict[str, str]) -> list[str]:
    """Return the same, out of a child process; a plugin that ends it is none of the statuses."""
    if not hasattr(os, "fork"):
        return statuses(folder, entries)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.write(writer, json.dumps(statuses(folder, entries)).encode())
        os._exit(0)
    os.close(writer)
    with open(reader, encoding="utf-8") as answers:
        answer = answers.read()
    os.waitpid(child, 0)
    return json.loads(answer) if answer else ["ended"]


if __name__ == "__main__":
    survey_plugins(PluginsConfig(), installed=[])  # imports what the children need
    found = {title: in_own_process(folder, entries) for title, (folder, entries) in json.load(sys.stdin).items()}
    sys.stdout.write(json.dumps(found) + "\n")

"""Boots plugins in a process of their own, one after the other, and prints what became of each.

Standard input holds rows of source folder and entry points as JSON; the last line of standard output the answers.
"""

from __future__ import annotations

import json
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


if __name__ == "__main__":
    found = {title: statuses(folder, entries) for title, (folder, entries) in json.load(sys.stdin).items()}
    sys.stdout.write(json.dumps(found) + "\n")

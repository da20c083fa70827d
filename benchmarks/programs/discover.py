"""``discover.py WAY``: finds the plugins among all that is installed, once, in a new process.

What is timed is the finding alone, after the imports; the whole process is timed from outside. stevedore and pluggy
import the plugins that they find, so there is a way of ours that does the same.
"""

import json
import sys
from time import process_time

GROUP = "pipelex.plugins"
PLUGINS = 12


def ours():
    from pipelex.plugins.installed import installed_plugins

    return installed_plugins


def ours_loaded():
    from pipelex.config.plugins_config import PluginsConfig
    from pipelex.plugins.discovery import survey_plugins

    return lambda: [row for row in survey_plugins(PluginsConfig()).rows if row.origin == "external"]


def metadata():
    from importlib.metadata import entry_points

    return lambda: list(entry_points(group=GROUP))


def metadata_loaded():
    from importlib.metadata import entry_points

    return lambda: [entry_point.load() for entry_point in entry_points(group=GROUP)]


def with_pluggy():
    from pluggy import PluginManager

    def find():
        manager = PluginManager("bench")
        manager.load_setuptools_entrypoints(GROUP)
        return manager.get_plugins()

    return find


def with_stevedore():
    from stevedore import ExtensionManager

    return lambda: list(ExtensionManager(GROUP, invoke_on_load=False))


def main(way):
    find = globals()[way]()
    start = process_time()
    found = find()
    seconds = process_time() - start
    assert len(found) == PLUGINS, found
    print(json.dumps({"finding": seconds}))


if __name__ == "__main__":
    main(sys.argv[1])

"""The conformance kit, switched on by ``pytest_plugins = ["pipelex.testing"]`` in a ``conftest.py``."""

pytest_plugins = ("pipelex.testing.pytest_plugin",)

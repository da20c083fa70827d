"""The conformance kit, switched on by ``pytest_plugins = ["pipelex.testing"]``, best in a top ``conftest.py``.

There is nothing to rewrite in it, so that it may be switched on from a test module too: PYTEST_DONT_REWRITE
"""

pytest_plugins = ("pipelex.testing.pytest_plugin",)

"""``python -m codegen``: writes what follows from ``spi.toml``, or checks that it is written; compares versions.

Nothing slow is imported at the top: the fast path of ``--check`` comes first.
"""

from __future__ import annotations

import gc
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "src"))  # pipelex.spi of this project, whether or not one is installed


def main(arguments: list[str]) -> int:
    """Run the command line.

    Args:
        arguments: The arguments of ``python -m codegen``.

    Returns:
        0: done, or fresh; 1: stale; 2: it could not tell.
    """
    from codegen import freshness

    if arguments[:1] in (["diff"], ["explain"]):
        from codegen.compat import commands

        return commands.run(arguments, default_root=ROOT)
    if arguments == ["--check"] and not os.environ.get("CI") and freshness.is_fresh(ROOT):
        sys.stdout.write("Fresh: nothing has changed since the last run. (--full checks it all the same.)\n")
        return 0
    if arguments[:1] in (["bump"], ["freeze"]):
        from codegen.bump import main as fold

        return fold(arguments[1:], default_root=ROOT, command=arguments[0])
    from codegen.cli import run

    return run(arguments, default_root=ROOT)


if __name__ == "__main__":
    gc.disable()  # what a run makes lives until its end
    sys.exit(main(sys.argv[1:]))

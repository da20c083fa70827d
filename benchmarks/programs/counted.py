"""Runs another program (``counted.py -c CODE`` or ``counted.py FILE ARGUMENT...``) and prints what it loaded.

A module that goes by two names counts once. Peak memory is the kernel's high-water mark of this process: what ``wait4``
returns would begin with the size of the process that started it. The figures go to the standard output that this
process was started with: a command may have redirected it since.
"""

import os
import sys


def _modules():
    return {id(module) for module in sys.modules.values() if isinstance(module, type(sys))}


_report = open(os.dup(1), "w", encoding="ascii")  # noqa: SIM115 - open until the program ends
_before = _modules()
_, _first, *_rest = sys.argv
_scope = {"__name__": "__main__", "__builtins__": __builtins__}
if _first == "-c":
    _code, *sys.argv[1:] = _rest
    sys.argv[0] = "-c"
else:
    sys.argv[:] = [_first, *_rest]
    sys.path[0] = _first.rpartition("/")[0]
    with open(_first, encoding="utf-8") as _file:
        _code = compile(_file.read(), _first, "exec")
try:
    exec(_code, _scope)
except SystemExit as _end:
    if _end.code not in (None, 0):
        raise
_loaded = len(_modules() - _before)
with open("/proc/self/status", encoding="ascii") as _file:
    _peak = next(int(line.split()[1]) for line in _file if line.startswith("VmHWM"))
sys.__stdout__.flush()
_report.write(f'\n{{"modules": {_loaded}, "memory": {_peak * 1024}}}\n')
_report.close()

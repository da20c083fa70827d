"""The process in which Docling runs: native code that dies, hangs or fills the memory costs a page, not the caller."""

from __future__ import annotations

import atexit
import logging
import os
import pickle
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from itertools import count
from threading import Lock, Timer
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelex.cogt.extract.extract_job import ExtractedPage, ExtractJobParams

_log = logging.getLogger(__name__)

OUT_OF_MEMORY = 77
"""The exit code of a process that needs more memory than it may have."""
_MOST_BYTES = 2_000_000_000
_BOOT = "import sys; sys.path[:] = {path!r}; from pipelex.providers.docling.child import main; main({most_bytes})"
_keys = count(1)


class ProcessEndedError(Exception):
    """The process ended before it had answered; the message says why."""


class _Child:
    """One run of the process. What it writes to stderr is kept for the reason of its end."""

    def __init__(self) -> None:
        self._stderr = tempfile.TemporaryFile("a+b")  # noqa: SIM115 - closed with the process
        boot = _BOOT.format(path=sys.path, most_bytes=_MOST_BYTES)
        self._popen = subprocess.Popen(
            [sys.executable, "-c", boot], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr
        )

    def ask(self, method: str, arguments: tuple[object, ...]) -> tuple[list[str], object, Exception | None]:
        """Send a question and wait for the answer: what libraries logged, what came, what was raised."""
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        pickle.dump((method, arguments), self._popen.stdin)
        self._popen.stdin.flush()
        notes, answer, error = pickle.load(self._popen.stdout)  # noqa: S301 - written by our own code
        return notes, answer, error

    def is_alive(self) -> bool:
        return self._popen.poll() is None

    def kill(self) -> None:
        self._popen.kill()

    def end(self) -> str:
        """End the process, if it has not ended, and return why it did."""
        self.kill()
        with suppress(OSError):  # what it was sent is still on its way
            self._popen.communicate()
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").strip().splitlines()
        self._stderr.close()
        code = self._popen.returncode
        if code == OUT_OF_MEMORY:
            return f"it takes more than {_MOST_BYTES / 1e9:g} GB of memory"
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"the process that read it ended ({how}{f': {lines[-1][:200]}' if lines else ''})"


class DoclingProcess:
    """The process: started when it is first asked, and again after it ended. One thread at a time may ask it.

    Attributes:
        starts: How often it was started; what was open before is not open after.
    """

    def __init__(self) -> None:
        self.starts = 0
        self._child: _Child | None = None
        self._asker: object = None
        self._lock = Lock()
        self._owner = os.getpid()  # at the exit of a forked process, this one is the parent's
        atexit.register(self.end)

    def ask(self, asker: object, limit_s: float, method: str, *arguments: object) -> object:
        """Run a method of :class:`~pipelex.providers.docling.child.Reader` in the process.

        Args:
            asker: Who asks, for :meth:`give_up`.
            limit_s: After how many seconds to end the process.
            method: The name of the method.
            arguments: Its arguments.

        Returns:
            What the method returned.

        Raises:
            ProcessEndedError: The process ended.
            InferenceError: What the method raised.
        """
        child = self.start()
        limit = Timer(limit_s, self.give_up, [asker])
        limit.daemon = True
        started = monotonic()
        self._set_asker(asker)
        limit.start()
        try:
            notes, answer, error = child.ask(method, arguments)
        except (EOFError, OSError, pickle.UnpicklingError) as exc:
            reason = self.end()
            if monotonic() - started >= limit_s:
                reason = f"it takes more than {limit_s:g} s. Set timeout_s of its backend for more"
            raise ProcessEndedError(reason) from exc
        finally:
            limit.cancel()
            self._set_asker(None)
        for note in notes:
            _log.warning("%s", note)
        if error is not None:
            raise error
        return answer

    def start(self) -> _Child:
        """Start the process where it does not run."""
        if self._child is None or not self._child.is_alive():
            self.end()
            self._child = _Child()
            self.starts += 1
        return self._child

    def give_up(self, asker: object) -> None:
        """End the process if it works for this asker: nothing else stops native code."""
        with self._lock:
            if self._asker is asker and self._child is not None:
                self._child.kill()

    def end(self) -> str:
        """End the process, where there is one, and return why it ended."""
        child, self._child = self._child, None
        return child.end() if child is not None and self._owner == os.getpid() else ""

    def _set_asker(self, asker: object) -> None:
        with self._lock:
            self._asker = asker


class RemoteDocument:
    """A document that the process has open, and opens again where it ended meanwhile.

    Args:
        process: The process.
        data: The document.
        name: What errors call it; its ending names the format.
        media_type: Its media type, for where the ending names none.
        params: What to take from it.
        limit_s: How long opening it may take, and each of its pages, in seconds.
    """

    def __init__(
        self,
        process: DoclingProcess,
        data: bytes,
        *,
        name: str,
        media_type: str,
        params: ExtractJobParams,
        limit_s: float,
    ) -> None:
        self._process = process
        self._key = next(_keys)
        self._order = (data, name, media_type, params)
        self._limit_s = limit_s
        self._opened_at = 0

    def open(self) -> tuple[int, ...]:
        """Open the document and return the numbers of the pages asked for.

        Raises:
            ProcessEndedError: The process ended.
            InferenceError: The document cannot be read, or not as asked.
        """
        numbers = self._ask("open", *self._order)
        self._opened_at = self._process.starts
        assert isinstance(numbers, tuple)
        return numbers

    def read(self, number: int) -> ExtractedPage:
        """Read one page.

        Raises:
            ProcessEndedError: The process ended.
            InferenceError: The document could not be opened again.
        """
        if not self._is_open():
            self.open()
        return self._ask("read", number)  # type: ignore[return-value]  # a page, pickled in the process

    def close(self) -> None:
        """Close the document, where it is open."""
        if self._is_open():
            self._ask("close")

    def give_up(self) -> None:
        """End the process if it reads this document."""
        self._process.give_up(self)

    def _is_open(self) -> bool:
        if not self._opened_at:
            return False
        self._process.start()
        return self._opened_at == self._process.starts

    def _ask(self, method: str, *arguments: object) -> object:
        return self._process.ask(self, self._limit_s, method, self._key, *arguments)

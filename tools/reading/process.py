"""The parent's side of the worker: one process, started when needed, replaced when it dies."""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import io
import json
import logging
import os
import select
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final, cast

from parser_model.errors import FileError, RequestError, SetupError
from tools.reading.formats import OF_SEVERAL
from tools.reading.limits import Limits
from tools.reading.wire import empty_pixels, rebuild
from tools.scan import Scan

log = logging.getLogger(__name__)

_ROOT: Final = Path(__file__).resolve().parents[2]
# Enough for the interpreter; the rest of our environment (keys above all) is not for decoders.
_PASSED_ON: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT")
_START_SECONDS: Final = 60.0
_MOST_JSON: Final = 1 << 20
_BYTES_PER_PIXEL: Final = 4
_F_SETPIPE_SZ: Final = 1031  # Linux: fcntl.F_SETPIPE_SZ; 1 MiB is what users may ask for
_STOPPED: Final = "This file made its decoder stop; it is damaged, so export or copy it again."
_PIPE_BYTES: Final = 1 << 20


class _WorkerGoneError(Exception):
    """The worker ended, or said something that is no answer."""


class _LateError(Exception):
    """The worker did not answer in time."""


class _Worker:
    """One running worker process."""

    def __init__(self, memory_bytes: int) -> None:
        self.memory_bytes = memory_bytes
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        environment |= {
            "PYTHONPATH": str(_ROOT),
            "OMP_NUM_THREADS": "1",  # threads reserve address space, which is bounded
            "OPENBLAS_NUM_THREADS": "1",
        }
        # -P: a folder named "tools" where the user happens to stand must not be taken for ours.
        command = [sys.executable, "-P", "-m", "tools.reading.worker", str(memory_bytes)]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env=environment,
        )
        self._requests = cast(io.FileIO, self.process.stdin)
        self._answers = cast(io.FileIO, self.process.stdout)
        self._ready = False
        self.used = False  # has answered before
        os.set_blocking(self._answers.fileno(), False)
        self._poll = select.poll()  # select.select fails in servers with over 1023 open files
        self._poll.register(self._answers, select.POLLIN | select.POLLHUP)
        with contextlib.suppress(ImportError, OSError):  # large pixels in fewer steps, if we may
            import fcntl

            fcntl.fcntl(self._answers.fileno(), _F_SETPIPE_SZ, _PIPE_BYTES)

    def forget(self) -> None:
        """Let go of it in a forked child: it belongs to the parent."""
        self.process.returncode = 0  # not ours to wait for
        for pipe in (self._requests, self._answers):
            pipe.close()

    def usable(self, memory_bytes: int) -> bool:
        """Whether it runs and is bounded as asked."""
        return self.memory_bytes == memory_bytes and self.process.poll() is None

    def ask(self, request: dict[str, Any], limits: Limits) -> tuple[dict[str, Any], Any]:
        """Send a request; give its answer and the array in it, None with an error."""
        self._wait_until_ready()
        deadline = time.monotonic() + request["seconds"]
        try:
            self._requests.write(json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise _WorkerGoneError from error
        (length,) = struct.unpack(">Q", self._receive(bytearray(8), deadline))
        if length > _MOST_JSON:
            raise _WorkerGoneError
        meta = json.loads(self._receive(bytearray(length), deadline))
        pixels = None
        if array := meta.get("scan") or meta.get("array"):
            pixels = empty_pixels(array, _BYTES_PER_PIXEL * limits.volume_pixels)
            self._receive(pixels.data.cast("B"), deadline)
        self.used = True
        return meta, pixels

    def _wait_until_ready(self) -> None:
        """Let it start before a file's time runs; a worker that cannot start is no file's fault."""
        if self._ready:
            return
        try:
            self._receive(bytearray(8), time.monotonic() + _START_SECONDS)
        except (_WorkerGoneError, _LateError):
            raise SetupError(
                "The process that decodes images could not be started; is there enough memory?"
            ) from None
        self._ready = True

    def _receive(self, into: Any, deadline: float) -> Any:
        target, filled = memoryview(into), 0
        while filled < len(target):
            left = deadline - time.monotonic()
            if left <= 0 or not self._poll.poll(left * 1000):
                raise _LateError
            count = self._answers.readinto(target[filled:])
            if count == 0:
                raise _WorkerGoneError
            filled += count or 0
        return into

    def stop(self) -> None:
        """Kill it and wait until it is gone."""
        self.process.kill()
        self.process.wait()
        for pipe in (self._requests, self._answers):
            with contextlib.suppress(OSError):
                pipe.close()


class WorkerPool:
    """Decodes one file at a time in a worker; safe to call from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._worker: _Worker | None = None

    def start(self, limits: Limits) -> None:
        """Start the worker if it does not run, so that the first file need not wait for it."""
        with self._lock:
            self._running(limits)

    def stop(self) -> None:
        """End the worker; a later file starts a new one."""
        with self._lock:
            self._drop()

    def stop_at_exit(self) -> None:
        """End the worker; if a thread still waits for it, it notices our end by itself."""
        if self._lock.acquire(timeout=1):
            self._drop()
            self._lock.release()

    def forget(self) -> None:
        """In a forked child: use neither the parent's worker nor a lock that it may hold."""
        self._lock = threading.Lock()
        if self._worker is not None:
            self._worker.forget()
            self._worker = None

    @property
    def pid(self) -> int | None:
        """Process id of the worker, None when none was started."""
        return self._worker.process.pid if self._worker else None

    def decode(self, path: Path, name: str, reader: str, limits: Limits, **options: Any) -> Scan:
        """Decode a file or folder in the worker.

        Parameters
        ----------
        path : Path
        name : str
            Of the format, for messages.
        reader : str
            ``module:function``, called with the file (of a folder the path), limits and options.
        limits : Limits
        **options
            For the reader; what JSON can hold.

        Raises
        ------
        FileError
            If it cannot be read, or the worker died or was killed over it.
        RequestError
            If the options make no sense for it.
        SetupError
            If no worker can be started.
        """
        meta, pixels = self._answer(path, name, reader, limits, options)
        return rebuild(meta["scan"], pixels)

    def call(
        self, path: Path, name: str, reader: str, limits: Limits, **options: Any
    ) -> tuple[dict[str, Any], Any]:
        """Like `decode`, for readers that give a dictionary and an array."""
        meta, array = self._answer(path, name, reader, limits, options)
        return meta["found"], array

    def _answer(
        self, path: Path, name: str, reader: str, limits: Limits, options: dict[str, Any]
    ) -> tuple[dict[str, Any], Any]:
        several = name in OF_SEVERAL
        request = {
            "path": str(path.absolute()),
            "format": name,
            "reader": reader,
            "limits": dataclasses.asdict(limits),
            "seconds": limits.series_seconds if several else limits.seconds,
            "options": options,
        }
        with self._lock:
            meta, array = self._ask(request, name, limits)
        if "error" in meta:
            if "cause" in meta:
                log.info("A %s file could not be decoded: %s", name, meta["cause"])
            error = RequestError if meta.get("kind") == "RequestError" else FileError
            raise error(meta["error"])
        return meta, array

    def _ask(self, request: dict[str, Any], name: str, limits: Limits) -> tuple[Any, Any]:
        try:
            worker = self._running(limits)
            try:
                return worker.ask(request, limits)
            except _WorkerGoneError:
                if not worker.used:
                    raise
                # It may have died before this file came: a fresh one tells.
                self._drop()
                return self._running(limits).ask(request, limits)
        except _LateError:
            self._drop()
            log.warning("The worker was killed over a %s file: too slow", name)
            raise FileError(
                f"This file was given up after {request['seconds']:g} seconds of decoding; it is "
                "damaged or too large."
            ) from None
        except (_WorkerGoneError, ValueError, KeyError):
            self._drop()
            log.warning("The worker ended over a %s file", name)
            raise FileError(_STOPPED) from None
        except BaseException:
            self._drop()  # e.g. Ctrl-C: half an answer is in the pipe
            raise

    def _running(self, limits: Limits) -> _Worker:
        if self._worker is not None and not self._worker.usable(limits.memory_bytes):
            self._drop()
        if self._worker is None:
            self._worker = _Worker(limits.memory_bytes)
        return self._worker

    def _drop(self) -> None:
        if self._worker is not None:
            self._worker.stop()
            self._worker = None


POOL: Final = WorkerPool()
atexit.register(POOL.stop_at_exit)
os.register_at_fork(after_in_child=POOL.forget)

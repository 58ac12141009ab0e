"""``python -m optimizer`` and the console script ``diversify``: streams and signals, from start to end.

Output streams may be closed before the end, as by `head`; terminals are of every width and character set.
"""

import codecs
import contextlib
import errno
import gc
import io
import os
import signal
import stat
import sys
import threading
from typing import TYPE_CHECKING, Any, NoReturn, cast

from optimizer.errors import SOLVER_THREAD, ExitCode
from optimizer.tolerances import COLLECTOR_THRESHOLDS

if TYPE_CHECKING:
    from types import FrameType
    from typing import TextIO

__all__ = ["main"]

# Widths in which tables can be read; `COLUMNS` may name any number.
NARROWEST_SCREEN, WIDEST_SCREEN = 40, 1000


class TolerantStream:
    """A stream that discards its text once its reader is gone: the command goes on and writes its files.

    Everything else is passed to the stream. Messages are discarded for any other error too: an answer is worth more
    than the messages on the way.
    """

    def __init__(self, stream: "TextIO", *, is_for_messages: bool = False) -> None:
        self._stream, self._is_for_messages = stream, is_for_messages
        self._error: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, or discard the text if the reader is gone."""
        self._raise_again()
        try:
            return self._stream.write(text)
        except OSError as error:
            self._discard(error)
            return len(text)

    def flush(self) -> None:
        """The same for buffered text."""
        self._raise_again()
        try:
            self._stream.flush()
        except OSError as error:
            self._discard(error)
            self._stream.flush()

    def _discard(self, error: OSError) -> None:
        """Discard buffered text and everything that follows; raise an error that is not about a missing reader."""
        # A terminal that was closed answers with EIO.
        is_device = stat.S_ISCHR(os.fstat(self._stream.fileno()).st_mode)
        is_gone = error.errno == errno.EPIPE or (error.errno == errno.EIO and is_device)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)
        if not is_gone and not self._is_for_messages:
            self._error = error
            raise error

    def _raise_again(self) -> None:
        """Raise an earlier error again: the first writer may have ignored it."""
        if self._error is not None:
            raise self._error


def separate_stdout() -> None:
    """Give stdout a file descriptor of its own, and let descriptor 1 be stderr.

    HiGHS prints some messages to descriptor 1 whatever its options say, in workers too: an answer must not have them in
    it.
    """
    stream = sys.stdout
    with contextlib.suppress(OSError):
        if stream is None or stream.fileno() != 1:
            return
        os.fstat(2)
        stream.flush()
        own = os.fdopen(os.dup(1), "wb", closefd=False)
        os.dup2(2, 1)
        own_text = io.TextIOWrapper(own, stream.encoding, stream.errors, line_buffering=bool(stream.line_buffering))
        for name in ("stdout", "__stdout__"):
            setattr(sys, name, own_text)


def protect_streams() -> None:
    """Make both streams tolerant; one that was closed from the start discards everything."""
    codecs.register_error("optimizer.escape", _escape)
    separate_stdout()
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            stream = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - as long as the process
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="optimizer.escape")
        setattr(sys, name, cast("TextIO", TolerantStream(stream, is_for_messages=name == "stderr")))
    # Ignore a width in which no table can be read: the terminal's own, or the usual one, takes its place.
    width = os.environ.get("COLUMNS", "")
    if width and not (
        width.isascii() and width.isdigit() and len(width) < 9 and NARROWEST_SCREEN <= int(width) <= WIDEST_SCREEN
    ):
        del os.environ["COLUMNS"]


def _escape(error: UnicodeError) -> tuple[str, int]:
    r"""Characters that a character set lacks as ``\uXXXX``, in surrogate pairs where needed: JSON stays valid."""
    assert isinstance(error, UnicodeEncodeError)
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2)), error.end


# What Typer ends with when Ctrl-C comes before a command has begun.
INTERRUPTED = 130
NO_ANSWER = "stopped before there was an answer."


def _interrupt(number: int, frame: "FrameType | None") -> None:
    """Raise KeyboardInterrupt; end the run at once while a module is being loaded.

    Libraries report an interrupt there as an error of their own, or ignore it.
    """
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.write(f"Error: {NO_ANSWER}\n")
            os._exit(ExitCode.STOPPED)
        frame = frame.f_back
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line; Ctrl-C is answered in words even while that is being loaded."""
    try:
        # End at SIGTERM and SIGHUP as at Ctrl-C, so that workers are let go; a signal that is ignored stays ignored.
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                signal.signal(number, _interrupt)
        protect_streams()
        gc.set_threshold(*COLLECTOR_THRESHOLDS)
        from optimizer.cli.app import app

        app()
    except KeyboardInterrupt:
        _end(NO_ANSWER, ExitCode.STOPPED)
    except SystemExit as done:
        code = done.code
        if code == INTERRUPTED:
            _end(NO_ANSWER, ExitCode.STOPPED)
        try:
            sys.stdout.flush()
        except OSError as error:
            # A command that could not write its answer has said so.
            _end(None if code == ExitCode.USAGE else _unwritten(error), ExitCode.USAGE)
        _exit(code)
    except OSError as error:
        _end(_unwritten(error), ExitCode.USAGE)


def _unwritten(error: OSError) -> str:
    return f"the answer cannot be written: {error.strerror}."


def _end(text: str | None, code: int) -> None:
    if text is not None:
        sys.stderr.write(f"Error: {text}\n")
    # The interpreter flushes stdout again at exit, which would raise a second time.
    sys.stdout = sys.__stdout__
    _exit(code)


def _exit(code: int | str | None) -> NoReturn:
    """End the run; at once where a solver is still at work, which the interpreter's usual end would abort."""
    if any(thread.name == SOLVER_THREAD for thread in threading.enumerate()):
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code if isinstance(code, int) else ExitCode.INTERNAL)
    sys.exit(code)


if __name__ == "__main__":
    main()

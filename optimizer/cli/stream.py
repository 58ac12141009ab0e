"""Streams for a reader who may leave before the end, as `head` does, and for terminals of every width and alphabet."""

import codecs
import errno
import os
import stat
import sys
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from typing import TextIO

# Widths in which tables can be read; `COLUMNS` may name any number.
NARROWEST, WIDEST = 40, 1000


class Patient:
    """A stream that throws away what nobody reads any more: the command goes on, writes its files and ends as it would.

    It is the stream in all else. Messages are thrown away as well where they cannot be written for any other reason:
    an answer is worth more than what is said on the way.
    """

    def __init__(self, stream: "TextIO", *, is_for_messages: bool = False) -> None:
        self._stream, self._is_for_messages = stream, is_for_messages
        self._error: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, to nobody if need be."""
        self._fail_again()
        try:
            return self._stream.write(text)
        except OSError as error:
            self._leave(error)
            return len(text)

    def flush(self) -> None:
        """The same for what is still held back."""
        self._fail_again()
        try:
            self._stream.flush()
        except OSError as error:
            self._leave(error)
            self._stream.flush()

    def _leave(self, error: OSError) -> None:
        """Throw away what is held back and all that follows; an error where somebody is there to read it."""
        # A terminal that was closed answers with EIO.
        is_device = stat.S_ISCHR(os.fstat(self._stream.fileno()).st_mode)
        is_gone = error.errno == errno.EPIPE or (error.errno == errno.EIO and is_device)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)
        if not is_gone and not self._is_for_messages:
            self._error = error
            raise error

    def _fail_again(self) -> None:
        """What failed once stays an error: whoever wrote first may have looked away."""
        if self._error is not None:
            raise self._error


def be_patient() -> None:
    """Make both streams patient; one that was closed from the start leads nowhere."""
    codecs.register_error("optimizer.escape", _escape)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            stream = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - as long as the process
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="optimizer.escape")
        setattr(sys, name, cast("TextIO", Patient(stream, is_for_messages=name == "stderr")))
    _mend_width()


def _escape(error: UnicodeError) -> tuple[str, int]:
    r"""What a character set lacks as ``\uXXXX``, in pairs where that takes two: so that JSON stays JSON."""
    assert isinstance(error, UnicodeEncodeError)
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2)), error.end


def _mend_width() -> None:
    """Leave a width that no table fits in to the terminal, or to the usual one."""
    width = os.environ.get("COLUMNS", "")
    if width and not (width.isascii() and width.isdigit() and len(width) < 9 and NARROWEST <= int(width) <= WIDEST):
        del os.environ["COLUMNS"]

"""Streams for a reader who may leave before the end, as `head` does."""

import os
import sys
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from typing import TextIO


class Patient:
    """A stream that throws away what nobody reads any more: the command goes on, writes its files and ends as it would.

    It is the stream in all else.
    """

    def __init__(self, stream: "TextIO") -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, to nobody if need be."""
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            self._leave()
            return len(text)

    def flush(self) -> None:
        """The same for what is still held back."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._leave()
            self._stream.flush()

    def _leave(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


def be_patient() -> None:
    """Make both streams patient; one that was closed from the start leads nowhere."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            stream = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - as long as the process
        setattr(sys, name, cast("TextIO", Patient(stream)))

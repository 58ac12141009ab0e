"""``python -m optimizer`` and the console script ``diversify``."""

import signal
import sys

from optimizer.errors import ExitCode

__all__ = ["main"]

# What Typer ends with when Ctrl-C comes before a command has begun.
INTERRUPTED = 130


def main() -> None:
    """Run the command line; Ctrl-C is answered in words even while that is being loaded."""
    try:
        from optimizer.cli.stream import protect_streams

        _handle_signals()
        protect_streams()
        from optimizer.cli.app import app

        app()
    except KeyboardInterrupt:
        _end("stopped before there was an answer.", ExitCode.STOPPED)
    except SystemExit as done:
        code = ExitCode.STOPPED if done.code == INTERRUPTED else done.code
        try:
            sys.stdout.flush()
        except OSError as error:
            # A command that could not write its answer has said so.
            _end(None if code == ExitCode.USAGE else _unwritten(error), ExitCode.USAGE)
        sys.exit(code)
    except OSError as error:
        _end(_unwritten(error), ExitCode.USAGE)


def _unwritten(error: OSError) -> str:
    return f"the answer cannot be written: {error.strerror}."


def _handle_signals() -> None:
    """End at SIGTERM and SIGHUP as at Ctrl-C, so that workers are let go; a signal that is ignored stays ignored."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


def _end(text: str | None, code: int) -> None:
    if text is not None:
        sys.stderr.write(f"Error: {text}\n")
    # The interpreter flushes what it finds here once more.
    sys.stdout = sys.__stdout__
    sys.exit(code)


if __name__ == "__main__":
    main()

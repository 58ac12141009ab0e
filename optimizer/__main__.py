"""``python -m optimizer`` and the console script ``diversify``."""

import signal
import sys

__all__ = ["main"]

# What Typer ends with when Ctrl-C comes before a command has begun.
INTERRUPTED = 130
USAGE, STOPPED = 2, 5


def main() -> None:
    """Run the command line; Ctrl-C is answered in words even while that is being loaded."""
    try:
        from optimizer.cli.stream import be_patient

        _heed_signals()
        be_patient()
        from optimizer.cli.app import app

        app()
    except KeyboardInterrupt:
        _end("stopped before there was an answer.", STOPPED)
    except SystemExit as done:
        try:
            sys.stdout.flush()
        except OSError as error:
            _end(f"the answer cannot be written: {error.strerror}.", USAGE)
        sys.exit(STOPPED if done.code == INTERRUPTED else done.code)


def _heed_signals() -> None:
    """End at SIGTERM and SIGHUP as at Ctrl-C, so that workers are let go; a signal that is ignored stays ignored."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


def _end(text: str, code: int) -> None:
    sys.stderr.write(f"Error: {text}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()

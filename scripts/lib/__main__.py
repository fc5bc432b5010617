"""Starts the demo."""

import signal
import sys


def main() -> int:
    """Run the demo and return the exit code of the program."""
    # Until the demo stops in order, Ctrl-C just ends it: nothing has been started yet.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from .demo import main as demo

    return demo()


if __name__ == "__main__":
    sys.exit(main())

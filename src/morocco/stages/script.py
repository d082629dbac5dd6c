"""How a rule's script runs: its messages in its log, an error as one readable message."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

from morocco.bench.interrupt import Interrupted
from morocco.errors import MoroccoError


@contextlib.contextmanager
def logged(path: str) -> Iterator[None]:
    """Send stderr to ``path`` within the block; a failure also goes to the terminal.

    A MoroccoError is shown as its message, anything else as a traceback in the log; both end the
    script with a non-zero status.
    """
    terminal = os.dup(2)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as log:
        os.dup2(log.fileno(), 2)
    message, code = "", 0
    try:
        yield
    except MoroccoError as error:
        message, code = str(error), error.exit_code
        print(message, file=sys.stderr)
    except (Interrupted, KeyboardInterrupt) as error:
        message, code = f"interrupted: {error}", 130
        print(message, file=sys.stderr)
    except Exception as error:
        message, code = f"{type(error).__name__}: {error} (a fault of ours, trace in {path})", 1
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os.dup2(terminal, 2)
        os.close(terminal)
    if code:
        print(f"FAILED, log {path}\n{message}", file=sys.stderr, flush=True)
        raise SystemExit(code)

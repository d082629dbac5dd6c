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
    """Send stderr to ``path`` within the block; failures go there and end the script."""
    terminal = os.dup(2)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as log:
        os.dup2(log.fileno(), 2)
    code = 0
    try:
        yield
    except MoroccoError as error:
        print(error, file=sys.stderr)
        code = error.exit_code
    except (Interrupted, KeyboardInterrupt) as error:
        print(f"interrupted: {error}", file=sys.stderr)
        code = 130
    except Exception:
        traceback.print_exc()
        code = 1
    finally:
        sys.stderr.flush()
        os.dup2(terminal, 2)
        os.close(terminal)
    if code:
        raise SystemExit(code)

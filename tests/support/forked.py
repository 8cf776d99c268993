"""Starts programs in forks of an interpreter that has imported torch and the suite, which takes seconds each time.

`python -m tests.support.forked` is a process without threads, which a test's own is not: for each line of its input, a
JSON list of the arguments of `begin`, it starts one program, waits for its end, and prints the exit status, negative
for a signal that ended it.
"""

import atexit
import contextlib
import json
import os
import runpy
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def begin(program: str, arguments: Sequence[str], output: str, environment: dict[str, str], limit: int = 0) -> int:
    """Runs a Python file in a fork and a process group of its own; returns its process number.

    Args:
        program: path from the repository's root.
        output: file to which what it prints is added.
        limit: seconds after which SIGALRM ends it; 0 for none.
    """
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        # Both sides set the group, so that it exists for whichever comes first.
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)
        return pid
    status = 1
    try:
        signal.alarm(limit)
        with contextlib.suppress(OSError):
            os.setpgid(0, 0)
        with open(os.devnull) as nothing, open(output, "ab") as file:
            for number, target in enumerate((nothing, file, file)):
                os.dup2(target.fileno(), number)
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(ROOT)
        sys.argv = [str(ROOT / program), *arguments]
        runpy.run_path(sys.argv[0], run_name="__main__")
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def serve() -> None:
    import training.program  # noqa: F401

    for line in sys.stdin:
        _, status = os.waitpid(begin(*json.loads(line)), 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    serve()

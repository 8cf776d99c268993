"""The port at which the processes of one machine find each other."""

import os
import random
import socket

from lightning_fabric.plugins.environments import LSFEnvironment, MPIEnvironment, SLURMEnvironment

# Below the range that systems hand out by themselves (32768 and up on Linux): between choosing a port and listening on
# it lie seconds, in which any connection of any program could take one from there.
RANGE = range(20000, 32000)

# They start every process themselves, and Lightning finds one port for all of them: each would choose another one here.
LAUNCHERS = (SLURMEnvironment, LSFEnvironment, MPIEnvironment)


def choose_master_port() -> None:
    """Sets MASTER_PORT, unless a launcher or the user did, to a port that is free now."""
    if "MASTER_PORT" not in os.environ and not any(launcher.detect() for launcher in LAUNCHERS):
        os.environ["MASTER_PORT"] = str(free_port())


def free_port() -> int:
    """A random port of RANGE on which nobody listens on this machine.

    Raises:
        OSError: if none of 100 tried is free.
    """
    # Not the seeded generator: runs of one seed that start together must not choose alike.
    for port in random.SystemRandom().sample(RANGE, 100):
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
            return port
    raise OSError(f"no free port between {RANGE.start} and {RANGE.stop}")

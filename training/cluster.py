"""How the processes of one run find each other: a port of this machine, or SLURM's srun with one task a process."""

import os
import random
import socket
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
from lightning_fabric.plugins.environments import (
    ClusterEnvironment,
    LSFEnvironment,
    MPIEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)

from processes.cores import cores
from records.errors import UserError

# Below the range that systems hand out by themselves (32768 and up on Linux): between choosing a port and listening on
# it lie seconds, in which any connection of any program could take one from there.
RANGE = range(20000, 32000)

CROWD = "PADDING_CROWD"
"""Environment variable that lets more than two processes a core start."""

# They start every process themselves, and Lightning finds one port for all of them: each would choose another one here.
LAUNCHERS = (SLURMEnvironment, LSFEnvironment, MPIEnvironment)


def slurm_plugins(chosen: Sequence[Any]) -> list[ClusterEnvironment]:
    """Lightning's view of SLURM, where srun started this process; none where the user `chosen` plugins have one.

    Without its own requeueing, which saves into the current folder from inside a signal handler, and from which every
    later run there would begin: `callbacks.StopSignal` saves, and the batch script requeues (scripts/slurm/).

    Raises:
        UserError: if the job asked for tasks in a way that does not say how many a machine gets.
    """
    has_own = any(isinstance(plugin, ClusterEnvironment) for plugin in chosen)
    if has_own or TorchElasticEnvironment.detect() or not SLURMEnvironment.detect():
        return []
    if tasks() > 1 and "SLURM_NTASKS_PER_NODE" not in os.environ:
        raise UserError(f"SLURM started {tasks()} tasks by --ntasks; ask for --ntasks-per-node, one task a device")
    return [SLURMEnvironment(auto_requeue=False)]


def check_tasks(trainer: pl.Trainer) -> None:
    """Raises UserError unless srun started a process for each of the trainer's devices: the others would stand idle."""
    devices = trainer.num_devices * trainer.num_nodes
    if tasks() != devices:
        raise UserError(
            f"SLURM's tasks are {tasks()} and the trainer's devices {devices} ({trainer.num_devices} on each of "
            f"{trainer.num_nodes} machines). Give the job --nodes={trainer.num_nodes} and "
            f"--ntasks-per-node={trainer.num_devices} and start main.py with srun, as scripts/slurm/multi_node.sbatch "
            "does; or unset SLURM_NTASKS for main.py to start the processes of one machine itself, as "
            "scripts/slurm/agents.sbatch does"
        )


def tasks() -> int:
    """Tasks of the job's step."""
    return int(os.environ["SLURM_NTASKS"])


def choose_meeting(machines: int) -> None:
    """Sets MASTER_PORT, unless a launcher or the user did, to a port that is free now.

    Raises:
        UserError: if there are other machines, which would not know the port.
    """
    if any(launcher.detect() for launcher in LAUNCHERS):
        return
    missing = [name for name in ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK") if name not in os.environ]
    if machines == 1:
        os.environ.setdefault("MASTER_PORT", str(free_port()))
    elif missing and not TorchElasticEnvironment.detect():
        raise UserError(
            f"trainer.num_nodes={machines}: no machine can find the others without {', '.join(missing)}. Start it on "
            "all by srun, as scripts/slurm/multi_node.sbatch does, or by torchrun; or on each with MASTER_ADDR (the "
            f"first one's name), MASTER_PORT (a free port there) and NODE_RANK (0 to {machines - 1}) in the environment"
        )


def check_cores(trainer: pl.Trainer) -> None:
    """Raises UserError if the processes on a CPU are more than two a core: they would only wait for one another."""
    most = 2 * cores()
    if trainer.strategy.root_device.type == "cpu" and trainer.num_devices > most and CROWD not in os.environ:
        raise UserError(
            f"trainer.devices={trainer.num_devices} would start as many processes on {cores()} cores; at most "
            f"{most} start, unless {CROWD}=1 is in the environment"
        )


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

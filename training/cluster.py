"""Settings by which the processes of a run connect: a port of this machine, or SLURM's srun with a task per process."""

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

# Below the ports that systems assign by themselves (32768 and up on Linux): seconds pass between choosing a port and
# listening on it, in which a connection of any program could take one of those.
RANGE = range(20000, 32000)

CROWD = "PADDING_CROWD"
"""Environment variable that allows more than two processes per core."""

# These start every process themselves, so each process would choose another port here; Lightning finds a common one.
LAUNCHERS = (SLURMEnvironment, LSFEnvironment, MPIEnvironment)


def slurm_plugins(chosen: Sequence[Any]) -> list[ClusterEnvironment]:
    """Returns Lightning's SLURM plugin if srun started this process and the plugins `chosen` by the user have none.

    Lightning's requeueing is off: its signal handler saves into the current folder, and every later run there would
    start from that file. Instead `callbacks.StopSignal` saves, and the batch script requeues (scripts/slurm/).

    Raises:
        UserError: if the job's options do not say how many tasks a machine gets.
    """
    has_own = any(isinstance(plugin, ClusterEnvironment) for plugin in chosen)
    if has_own or TorchElasticEnvironment.detect() or not SLURMEnvironment.detect():
        return []
    if tasks() > 1 and "SLURM_NTASKS_PER_NODE" not in os.environ:
        raise UserError(f"SLURM started {tasks()} tasks by --ntasks; ask for --ntasks-per-node, one task a device")
    return [SLURMEnvironment(auto_requeue=False)]


def check_tasks(trainer: pl.Trainer) -> None:
    """Raises UserError unless srun started one process per device of the trainer: other devices would be idle."""
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
    """Number of tasks of the job step."""
    return int(os.environ["SLURM_NTASKS"])


def choose_meeting(machines: int) -> None:
    """Sets MASTER_PORT to a free port, unless a launcher or the user has set it.

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
    """Raises UserError for more than two processes per core on a CPU: they would only wait for one another."""
    most = 2 * cores()
    if trainer.strategy.root_device.type == "cpu" and trainer.num_devices > most and CROWD not in os.environ:
        raise UserError(
            f"trainer.devices={trainer.num_devices} would start as many processes on {cores()} cores; at most "
            f"{most} start, unless {CROWD}=1 is in the environment"
        )


def free_port() -> int:
    """Returns a random port of RANGE that no program on this machine listens on.

    Raises:
        OSError: if none of 100 tried ports is free.
    """
    # Not the seeded generator: runs with the same seed that start together must not choose the same port.
    for port in random.SystemRandom().sample(RANGE, 100):
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
            return port
    raise OSError(f"no free port between {RANGE.start} and {RANGE.stop}")

"""SLURM's tasks and the trainer's devices; who chooses the port."""

import os
from types import SimpleNamespace

import pytest
from lightning_fabric.plugins.environments import LightningEnvironment, SLURMEnvironment

from records.errors import UserError
from training.cluster import CROWD, check_cores, check_tasks, choose_meeting, slurm_plugins


@pytest.fixture
def job(monkeypatch):
    """Sets the environment of a task that srun started."""
    for name in ("SLURM_NTASKS_PER_NODE", "SLURM_JOB_NAME", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)

    def job(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return job


def trainer(devices, nodes):
    return SimpleNamespace(num_devices=devices, num_nodes=nodes)


def test_lightning_does_not_requeue_by_itself(job):
    job(SLURM_NTASKS="1")
    (plugin,) = slurm_plugins([])
    assert isinstance(plugin, SLURMEnvironment)
    assert not plugin.auto_requeue
    assert slurm_plugins([LightningEnvironment()]) == [], "the user's own choice stands"
    # As Lightning has it: in an interactive job the program starts its processes itself.
    job(SLURM_JOB_NAME="bash")
    assert slurm_plugins([]) == []


def test_tasks_that_are_not_the_devices_are_refused(job):
    job(SLURM_NTASKS="16", SLURM_NTASKS_PER_NODE="8")
    slurm_plugins([])
    check_tasks(trainer(8, 2))
    with pytest.raises(
        UserError, match=r"tasks are 16 and the trainer's devices 8 .*--nodes=1 and --ntasks-per-node=8"
    ):
        check_tasks(trainer(8, 1))
    # A batch script that starts main.py without srun: seven of eight GPUs would stand idle.
    job(SLURM_NTASKS="1")
    with pytest.raises(UserError, match="unset SLURM_NTASKS"):
        check_tasks(trainer(8, 1))


def test_tasks_without_a_number_a_machine_are_refused(job):
    job(SLURM_NTASKS="2")
    with pytest.raises(UserError, match="--ntasks-per-node"):
        slurm_plugins([])


def test_tasks_of_srun_do_not_choose_a_port_each(job, monkeypatch):
    job(SLURM_NTASKS="2")
    choose_meeting(1)
    assert "MASTER_PORT" not in os.environ
    monkeypatch.delenv("SLURM_NTASKS")
    choose_meeting(1)
    assert "MASTER_PORT" in os.environ


def test_machines_that_could_not_find_one_another_are_refused(job, monkeypatch):
    for name in ("SLURM_NTASKS", "MASTER_ADDR", "NODE_RANK"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match=r"trainer.num_nodes=2: .* without MASTER_ADDR, MASTER_PORT, NODE_RANK\."):
        choose_meeting(2)
    job(MASTER_ADDR="first", MASTER_PORT="23456", NODE_RANK="1")
    choose_meeting(2)


def test_a_crowd_of_processes_is_refused(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1})
    crowd = SimpleNamespace(num_devices=5, strategy=SimpleNamespace(root_device=SimpleNamespace(type="cpu")))
    with pytest.raises(UserError, match=r"trainer.devices=5 would start as many processes on 2 cores; at most 4"):
        check_cores(crowd)
    monkeypatch.setenv(CROWD, "1")
    check_cores(crowd)
    monkeypatch.delenv(CROWD)
    crowd.num_devices = 4
    check_cores(crowd)

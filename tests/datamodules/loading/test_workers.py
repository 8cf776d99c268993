"""Workers leave signals to their parent, and end when it says so or is gone."""

import multiprocessing
import signal
import subprocess
import time

import pytest
import torch
from torch.utils.data import Dataset

from datamodules.loading import workers
from datamodules.loading.workers import WorkersLoader, map_in_workers
from processes.signals import SIGNALS


class Masks(Dataset):
    """Which signals are blocked in the worker; item 1 hangs, as a read from a network file system may."""

    def __len__(self):
        return 1000

    def __getitem__(self, index):
        if index == 1:
            time.sleep(1000)
        return torch.tensor(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])))


def loader(sampler):
    return WorkersLoader(Masks(), sampler=sampler, num_workers=1, worker_init_fn=workers.worker_init)


@pytest.mark.parametrize("number", SIGNALS)
def test_signals_from_others_do_not_end_a_worker(number):
    batches = iter(loader([0, 0, 0, 0, 0]))
    (worker,) = batches._workers
    assert set(next(batches)[0].tolist()) >= set(SIGNALS), "one could come before the worker is ready for it"
    assert not set(SIGNALS) & signal.pthread_sigmask(signal.SIG_BLOCK, [])
    subprocess.run(["kill", f"-{int(number)}", str(worker.pid)], check=True)
    assert len(list(batches)) == 4


def test_the_parent_ends_a_worker_that_hangs():
    batches = iter(loader([0, 1]))
    (worker,) = batches._workers
    next(batches)
    worker.terminate()
    worker.join(60)
    assert worker.exitcode == 0


def start_a_worker(started):
    batches = iter(loader([0, 1]))
    next(batches)
    started.send("started")
    time.sleep(1000)


def test_a_worker_that_hangs_ends_with_its_parent():
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe(duplex=False)
    parent = fork.Process(target=start_a_worker, args=(there,))
    parent.start()
    there.close()
    assert here.recv() == "started"
    parent.kill()
    assert here.poll(60), "the worker, too, has closed its end of the pipe"
    with pytest.raises(EOFError):
        here.recv()


def test_every_loader_is_one(sample_tree):
    from tests.datamodules.support import imagenet

    data = imagenet(sample_tree, num_workers=2)
    for each in (data.train_dataloader(), data.val_dataloader()):
        assert isinstance(each, WorkersLoader)
        assert each.worker_init_fn is workers.worker_init
    masks = map_in_workers(blocked, 1, num_workers=1)
    assert next(masks) >= set(SIGNALS)


def blocked(_):
    return set(signal.pthread_sigmask(signal.SIG_BLOCK, []))

"""Measures what a training step costs: by padding scheme, by option, and in our loop against plain loops.

Every table has ratios of runs right after each other, as median [quartiles] over rounds, with a null pair of equal
runs. The images lie on the device, so that no loader is measured.
"""

import copy
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks.parts import Row, Setting, kept_bytes, ratios, spread
from datamodules.loading.on_device import normalise
from lightning_modules import ClassificationModule
from lightning_modules.padded_network import to_channels_last
from networks.create import create_network
from padding import available_schemes
from records import RunFolder, RunRecord
from studies.runs.collect import REFERENCE
from studies.timing.inference import make_variant, variant_names
from studies.timing.interleaved import Stopwatch, interleaved
from training import callbacks
from training.checkpoint_files import AtomicCheckpointIO
from training.loops import install_loops
from training.resume import KeyedRandomness, MetricState, ResumeCheckpoint

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
OPTIONS = {
    "channels_last": {"channels_last": True},
    "bf16": {"bf16": True},
    "compile": {"compile": True},
    "fused_optimizer": {"fused": True},
    "all four": {"channels_last": True, "bf16": True, "compile": True, "fused": True},
}


def case(setting: Setting) -> tuple[str, int, int, int]:
    """Chooses the network, the side of the images, the batch size and the rounds to suit the device."""
    if setting.tiny:
        return "tiny_resnet10", 24, 4, 3
    return ("resnet50", 224, 128, 20) if setting.device.type == "cuda" else ("cifar_resnet10", 32, 32, 12)


def batch_of(setting: Setting, size: int, batch: int) -> tuple[Tensor, Tensor]:
    """Draws uint8 images and their targets on the device."""
    draw = torch.Generator().manual_seed(0)
    images = torch.randint(256, (batch, 3, size, size), generator=draw, dtype=torch.uint8)
    return images.to(setting.device), torch.randint(10, (batch,), generator=draw).to(setting.device)


def plain_step(
    network: nn.Module,
    data: tuple[Tensor, Tensor],
    channels_last=False,
    bf16=False,
    compile=False,
    fused=None,
    optimizer: torch.optim.Optimizer | None = None,
    loss_of: Callable[[Tensor, Tensor], Tensor] = cross_entropy,
) -> Callable[[], Tensor]:
    """Makes a step of SGD, or of another optimizer, as in a plain PyTorch program; the step returns the loss."""
    network.train()
    layout = torch.channels_last if channels_last else torch.contiguous_format
    if channels_last:
        to_channels_last(network)
    if optimizer is None:
        optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4, fused=fused)
    forward = torch.compile(network, dynamic=False) if compile else network
    images, targets = data

    def step() -> Tensor:
        x = normalise(images, MEAN, STD).contiguous(memory_format=layout)
        with torch.autocast(images.device.type, torch.bfloat16, enabled=bf16):
            loss = loss_of(forward(x), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def several(step: Callable[[], object], times: int) -> Callable[[], None]:
    def run() -> None:
        for _ in range(times):
            step()

    return run


def scheme_rows(setting: Setting) -> Iterator[Row]:
    """Measures step time and peak memory of each scheme over zero padding's."""
    name, size, batch, rounds = case(setting)
    cuda = setting.device.type == "cuda"
    schemes = available_schemes()[:3] if setting.tiny else available_schemes()
    data, network = batch_of(setting, size, batch), create_network(name, 10).to(setting.device)
    like = {"bf16": cuda, "channels_last": cuda}
    names = variant_names(schemes)
    models = {each: copy.deepcopy(make_variant(network, each)[0]) for each in names}
    steps = {each: plain_step(model, data, **like) for each, model in models.items()}
    memory = {each: peak_memory(step, models[each], setting) for each, step in steps.items()}
    repeats = 5 if cuda else 1
    prepare = {each: several(step, repeats) for each, step in steps.items()}
    seconds = interleaved(names, prepare.__getitem__, rounds, setting.stopwatch, warm_up=1)
    zero = seconds[REFERENCE]
    for each, own in seconds.items():
        row = {"network": name, "batch": batch, "scheme": each, "n": rounds}
        row |= {"images a second": round(batch * repeats / sorted(own)[len(own) // 2], 1)}
        row |= {"time / zero": spread(ratios(own, zero)), "memory / zero": f"{memory[each] / memory[REFERENCE]:.4f}"}
        yield row | {"memory, MiB": round(memory[each] / 2**20, 1), "_seconds": own}


def peak_memory(step: Callable[[], object], model: nn.Module, setting: Setting) -> int:
    """The bytes that a step takes: on a GPU its allocator's peak, elsewhere the tensors saved for the backward pass."""
    if setting.device.type == "cuda":
        step()  # allocates libraries' workspaces and the optimizer's momentum
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step()
        return torch.cuda.max_memory_allocated() - before
    return kept_bytes(step, model)


def option_rows(setting: Setting) -> Iterator[Row]:
    """Measures the speed of a step of partial padding with each option for speed, over a step with none."""
    name, size, batch, rounds = case(setting)
    chosen = {key: OPTIONS[key] for key in ("channels_last", "fused_optimizer")} if setting.tiny else OPTIONS
    data, network = batch_of(setting, size, batch), create_network(name, 10).to(setting.device)
    partial = make_variant(network, "partial")[0]
    steps = {
        each: plain_step(copy.deepcopy(partial), data, **options)
        for each, options in {"none": {}, "null": {}, **chosen}.items()
    }
    for step in steps.values():
        several(step, 2)()  # compiles before the measurement
    seconds = interleaved(list(steps), steps.__getitem__, rounds, setting.stopwatch)
    for each, own in seconds.items():
        row = {"network": name, "batch": batch, "option": each, "n": rounds}
        yield row | {"speed / none": spread(ratios(seconds["none"], own)), "_seconds": own}


def loop_rows(setting: Setting) -> Iterator[Row]:
    """Measures the steps per second of our loop over those of plain loops, with the same network, data and options."""
    cuda = setting.device.type == "cuda"
    name, size, batch, rounds = case(setting)
    if not (cuda or setting.tiny):
        yield from loops(setting, "tiny_resnet10", size, batch, rounds, 50)
        rounds = 5
    yield from loops(setting, name, size, batch, rounds, 3 if setting.tiny else 50 if cuda else 12)
    if not (cuda or setting.tiny):
        yield from loops(setting, "cifar_resnet18", size, batch, 3, 6)


def loops(setting: Setting, network: str, size: int, batch: int, rounds: int, steps: int) -> Iterator[Row]:
    """Trains epochs of `steps` steps in our loop, and between two epochs as many steps in each of the other loops."""
    cuda, data = setting.device.type == "cuda", batch_of(setting, size, batch)
    torch.manual_seed(0)
    arguments = {"network": network, "padding": "partial", "num_classes": 10, "lr": 0.01, "channels_last": cuda}
    module = ClassificationModule(**arguments, milestones=[10**6])
    like = {"channels_last": cuda, "bf16": cuda}
    others = {"plain": None, "null": None}
    for other in others:
        others[other] = plain_step(copy.deepcopy(module.network).to(setting.device), data, **like)
    others["timm"] = timm_step(copy.deepcopy(module.network).to(setting.device), data, **like)
    clock = Between({key: several(step, steps) for key, step in others.items()}, setting.stopwatch)
    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer(Path(folder), clock, rounds + 1, setting, network)
        trainer.fit(module, datamodule=Resident(data, steps))
    ours = clock.ours[1:]
    for other, seconds in clock.others.items():
        row = {"network": network, "batch": batch, "steps a round": steps, "n": rounds, "ours against": other}
        if other == "null":
            row["ours against"] = "(null: plain against itself)"
        base = clock.others["plain"][1:] if other == "null" else ours
        row["speed ratio"] = spread(ratios(seconds[1:], base))
        row["ms a step"] = round(1000 * sorted(base)[rounds // 2] / steps, 2)
        row["ms an epoch's end"] = None if other == "null" else round(1000 * sorted(clock.ends[1:])[rounds // 2], 1)
        yield row | {"_seconds": seconds[1:]}


def timm_step(network: nn.Module, data: tuple[Tensor, Tensor], channels_last: bool, bf16: bool) -> Callable[[], None]:
    """Makes a step from timm's loss, optimizer and meter, combined as in timm's training script."""
    from timm.loss import LabelSmoothingCrossEntropy
    from timm.optim import create_optimizer_v2
    from timm.utils import AverageMeter

    optimizer = create_optimizer_v2(network, opt="sgd", lr=0.01, momentum=0.9, weight_decay=1e-4)
    own = {"optimizer": optimizer, "loss_of": LabelSmoothingCrossEntropy(0.0)}
    step, meter, numbers = plain_step(network, data, channels_last, bf16, **own), AverageMeter(), count()

    def logged() -> None:
        loss = step()
        if next(numbers) % 50 == 0:  # the script's --log-interval
            meter.update(loss.item(), len(data[0]))

    return logged


class Repeated:
    """A loader that gives the same batch `times` times."""

    def __init__(self, batch: tuple[Tensor, Tensor], times: int) -> None:
        self.batch, self.times = batch, times

    def __len__(self) -> int:
        return self.times

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter([self.batch] * self.times)


class Resident(pl.LightningDataModule):
    """Gives the same batch on the device at every training step, and once in validation."""

    def __init__(self, data: tuple[Tensor, Tensor], steps: int) -> None:
        super().__init__()
        self.data, self.steps = data, steps

    def train_dataloader(self) -> Repeated:
        return Repeated(self.data, self.steps)

    def val_dataloader(self) -> Repeated:
        return Repeated(self.data, 1)

    def on_after_batch_transfer(self, batch, dataloader_idx: int):
        return normalise(batch[0], MEAN, STD), batch[1]


class Between(pl.Callback):
    """Runs the other loops between epochs, and times each epoch's steps and the time from its validation to its end."""

    def __init__(self, others: dict[str, Callable[[], None]], stopwatch: Stopwatch) -> None:
        self.stopwatch, self.run = stopwatch, others
        self.others: dict[str, list[float]] = {name: [] for name in others}
        self.ours: list[float] = []
        self.ends: list[float] = []
        """Seconds of each epoch after its validation: mainly checkpoints, whose time does not grow with the steps."""

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._note_end()
        found = interleaved(list(self.run), self.run.__getitem__, 1, self.stopwatch, len(self.ours))
        for name, seconds in found.items():
            self.others[name] += seconds
        self._began = self._now()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.ours.append(self._now() - self._began)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._validated = self._now()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._note_end()

    def _note_end(self) -> None:
        if len(self.ours) > len(self.ends):
            self.ends.append(self._now() - self._validated)

    def _now(self) -> float:
        self.stopwatch(lambda: None)  # called because it waits for the device
        return self.stopwatch.clock()


def make_trainer(root: Path, clock: pl.Callback, epochs: int, setting: Setting, network: str) -> pl.Trainer:
    """Makes a Trainer as `main.py fit` does, but without W&B, which gets one row per epoch only."""
    folder, signal = RunFolder(root / "run"), callbacks.StopSignal()
    record = RunRecord("x", "x", "x", network, "partial", 0, epochs, "val/acc1")
    folder.write_record(record)
    recorder = callbacks.RunRecorder(folder)
    trainer = pl.Trainer(
        accelerator=setting.device.type,
        devices=1,
        precision="bf16-mixed" if setting.device.type == "cuda" else "32-true",
        max_epochs=epochs,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        logger=False,
        plugins=[AtomicCheckpointIO()],
        callbacks=[
            clock,
            KeyedRandomness(0),
            MetricState(),
            callbacks.FiniteLoss(folder.checkpoints, "stop"),
            signal,
            recorder,
            *callbacks.best_and_last_epochs(recorder, "val/acc1"),
            ResumeCheckpoint(folder.checkpoints, 500, signal),
        ],
    )
    install_loops(trainer)
    return trainer

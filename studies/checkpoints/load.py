"""Loads a trained network from its run folder for evaluation; makes no Trainer, calls no W&B, and writes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytorch_lightning as pl
import torch

from lightning_modules.padded_network import PaddedNetworkModule
from records import RunFolder, RunRecord
from records.errors import UserError, in_one_line, message_for_users
from training.checkpoint_files import CheckpointError, read_checkpoint
from training.checks.arguments import download_nothing
from training.program import ExperimentCLI


@dataclass(frozen=True, eq=False)
class Trained:
    """A network with its weights, and the data that it is evaluated on.

    Attributes:
        module: the network's module, in evaluation mode, under the requested scheme, on the device.
        data: datamodule, which `find_images` sets up for `test`.
        checkpoint: file of the weights.
        epoch, step: epoch (the first is 0) and step of the checkpoint.
        precision: precision of the run's Trainer, in Lightning's words; None for Lightning's default.
    """

    folder: RunFolder
    record: RunRecord
    module: PaddedNetworkModule
    data: pl.LightningDataModule
    checkpoint: Path
    epoch: int
    step: int
    precision: str | int | None

    @property
    def origin(self) -> dict[str, Any]:
        """The fields that every record of the network begins with."""
        module, which = self.module, {"checkpoint": self.checkpoint.name, "epoch": self.epoch, "step": self.step}
        return which | {"network": module.network_name, "padding": module.padding}

    def find_images(self) -> Self:
        """Sets the data up. Raises UserError, naming the run folder, if the images are not there."""
        try:
            self.data.setup("test")
            self.module.check("test", self.data)
        except Exception as error:
            raise UserError(
                f"{self.folder.path}: the data cannot be used: {message_for_users(error)} "
                "(--data-root names another folder)"
            ) from None
        return self


def load(
    folder: RunFolder,
    checkpoint: str = "best.ckpt",
    padding_at_test: str | None = None,
    data_root: Path | None = None,
    options: Sequence[str] = (),
    *,
    device: str | torch.device = "cpu",
    batch_size: int | None = None,
) -> Trained:
    """Loads the network that a run trained, and its datamodule, without looking for images (`Trained.find_images`).

    Args:
        checkpoint: name of a file in the run's checkpoints/, `best` or `last`.
        padding_at_test: scheme to evaluate under; None for the scheme of training.
        data_root: folder of the images; None for the folder in the run's configuration.
        options: further options of `main.py test`.
        device: device for the network.
        batch_size: images per evaluation batch of a classifier; None for the value in the run's configuration.

    Raises:
        UserError: configuration or checkpoint is missing or damaged, or the scheme cannot be applied; names the run
            folder.
        RunFolderError: run.json is missing or damaged.
    """
    record = folder.read_record()
    path = find_checkpoint(folder, checkpoint)
    content = read_checkpoint(path)
    try:
        moved = [] if data_root is None else [f"--data.root={data_root}"]
        cli = NetworkOnly([*arguments(folder, path, padding_at_test), *moved, *options])
        module: Any = cli.model
        module.on_load_checkpoint(content)
        module.load_state_dict(content["state_dict"])
        module.use_test_scheme()
    except (RuntimeError, KeyError) as error:
        raise UserError(f"{folder.path}: {path.name} does not fit config.yaml: {in_one_line(error)}") from None
    except Exception as error:
        raise UserError(f"{folder.path} cannot be loaded: {message_for_users(error)}") from None
    # No pixel cache: it changes no pixel, may be gone by now, and fits one root and one crop size only.
    cli.datamodule.cache = None
    if batch_size is not None:
        cli.datamodule.eval_batch_size = batch_size
    module.eval().to(device)
    epoch, step, precision = content["epoch"], content["global_step"], cli.config.test.trainer.precision
    return Trained(folder, record, module, cli.datamodule, path, epoch, step, precision)


def find_checkpoint(folder: RunFolder, name: str) -> Path:
    """Finds a checkpoint: `last` (the `epoch-NNN.ckpt` of the highest epoch), or a name with or without `.ckpt`.

    Raises UserError, naming the run folder and the checkpoints in it, if there is no such file.
    """
    if name == "last":
        found = sorted(folder.checkpoints.glob("epoch-*.ckpt"), key=lambda path: int(path.stem.rpartition("-")[2]))
        if found:
            return found[-1]
    path = folder.checkpoints / (name if name.endswith(".ckpt") else f"{name}.ckpt")
    if path.is_file():
        return path
    there = ", ".join(sorted(path.name for path in folder.checkpoints.glob("*.ckpt"))) or "none"
    raise UserError(f"{folder.path}: its checkpoint {name} is missing; checkpoints there: {there}")


def read_step(path: Path) -> int:
    """Reads the step of a checkpoint, without its weights. Raises CheckpointError if the file cannot be read."""
    try:
        return int(torch.load(path, map_location="cpu", weights_only=True, mmap=True)["global_step"])
    # A damaged pickle may raise any exception.
    except Exception:
        raise CheckpointError(f"{path} is damaged; choose another one with --checkpoint") from None


def arguments(folder: RunFolder, checkpoint: Path, padding_at_test: str | None) -> list[str]:
    """The command line of `test` that evaluates `checkpoint`. Raises UserError if the run has no configuration."""
    if not folder.config.is_file():
        raise UserError(f"{folder.path}: config.yaml is missing, so its network cannot be built again")
    return [
        "test",
        f"--config={folder.config}",
        f"--ckpt_path={checkpoint}",
        f"--model.padding_at_test={padding_at_test or 'null'}",
        # Every network would be compiled anew, and hooks see no activations of compiled code.
        "--model.compile=false",
        # The configured loggers, callbacks and cluster plugins are for the training.
        "--trainer.logger=false",
        "--trainer.callbacks=null",
        "--trainer.plugins=null",
    ]


class NetworkOnly(ExperimentCLI):
    """A command line that builds the network and the datamodule of a configuration, and runs nothing."""

    def _set_seed(self) -> None:
        return

    def before_instantiate_classes(self) -> None:
        download_nothing(self.config[self.subcommand].model.init_args)

    def instantiate_trainer(self, **kwargs: Any) -> None:
        return

    def _run_subcommand(self, subcommand: str) -> None:
        return

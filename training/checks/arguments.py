"""Rearranges and checks arguments and settings beyond what LightningCLI does."""

from enum import Enum
from pathlib import Path
from pydoc import locate
from typing import Any

import pytorch_lightning as pl
import torch
from jsonargparse import Namespace

from lightning_modules.padded_network import PaddedNetworkModule
from networks.initial_weights import refuse_misfit
from records.errors import UserError
from training.checkpoint_files import RESUME, WEIGHTS, check_whole, read_checkpoint
from training.checks.sources import Sources


def configurations_first(arguments: list[str]) -> list[str]:
    """Moves each `--config FILE` before all other options, without other changes of order.

    So an option of the command line always overrides a file. A W&B agent may put a sweep's `config` parameter anywhere.
    """
    command, *rest = arguments
    files, others = [], []
    while rest:
        argument = rest.pop(0)
        if argument in ("-c", "--config") and rest:
            files += [argument, rest.pop(0)]
        else:
            (files if argument.startswith("--config=") else others).append(argument)
    return [command, *files, *others]


def download_nothing(model: Any) -> None:
    """Sets `pretrained` to False in a model's init_args: timm need not download weights that a checkpoint replaces."""
    for name in ("network_args", "encoder_args"):
        if (model.get(name) or {}).get("pretrained"):
            model[name]["pretrained"] = False


def check_checkpoint(command: str, chosen: str | None, model: dict[str, Any]) -> None:
    """Refuses a missing or damaged checkpoint before anything is built.

    Args:
        command: fit, validate, test or predict; all but `fit` need weights.
        chosen: value of --ckpt_path.
        model: init_args of the model.

    Raises:
        UserError: if the checkpoint cannot be loaded, or if there is none and the command would use random weights.
    """
    if chosen is not None and not Path(chosen).is_file():
        raise UserError(f"--ckpt_path: {chosen} is no file; a run keeps its checkpoints in RUN/checkpoints/")
    if chosen is not None:
        read_checkpoint(chosen, RESUME if command == "fit" else WEIGHTS, mmap=True)
    if command == "fit" and chosen is not None and model.get("init_from") is not None:
        raise UserError("--ckpt_path goes on with a training, and --model.init_from starts one; give one of them")
    if command == "fit":
        check_whole("--model.encoder_weights", model.get("encoder_weights"))
    # A classifier may come with timm's own weights.
    pretrained = (model.get("network_args") or {}).get("pretrained")
    if chosen is None and command != "fit" and not pretrained:
        raise UserError(f"{command} needs weights: say --ckpt_path=RUN/checkpoints/best.ckpt")


def check_module(class_path: str) -> None:
    """Raises UserError unless the model inherits from a module of this suite and its `monitor` is not a loss."""
    kind = locate(class_path)
    if not (isinstance(kind, type) and issubclass(kind, PaddedNetworkModule)):
        raise UserError(
            f"model.class_path is {class_path}, which knows no padding schemes; give a class that inherits from "
            "lightning_modules.ClassificationModule or SegmentationModule, or see docs/own_training.md"
        )
    # The best epoch is the one with the highest value.
    monitor = getattr(kind, "monitor", None)
    if monitor is None or "loss" in monitor:
        raise UserError(
            f"model.class_path: {class_path} has the `monitor` {monitor}; name a metric in percent, such as val/acc1"
        )


def check_seed(seed: Any, sources: Sources) -> None:
    """Raises UserError unless the seed is a number that every generator accepts, and data.seed is not another one."""
    if isinstance(seed, bool) or not 0 <= seed < 2**32:
        raise UserError(
            f"seed_everything is {seed}; it must be a whole number from 0 to 4294967295, by which a run is found again"
            f"{sources.where('seed_everything')}"
        )
    given = sources.given.get("data.seed", str(seed))
    if given != str(seed):
        raise UserError(f"data.seed is {given}, but seed_everything {seed} decides it; leave data.seed out")


COUNTS_OR_SHARES = (
    *(f"limit_{stage}_batches" for stage in ("train", "val", "test", "predict")),
    *("val_check_interval", "overfit_batches"),
)


def keep_counts(trainer: Namespace, sources: Sources) -> None:
    """Converts a number of batches back to int if the parser made it a float: 1 is one batch, 1.0 all of them.

    The parser tries the types of a Union in their order. That order was seen to change in a process that had parsed
    other things before, since `typing` caches Union[int, float] and Union[float, int] as the same type.
    """
    for name in COUNTS_OR_SHARES:
        key = f"trainer.{name}"
        text = sources.given.get(key, sources.texts.get(key)) or ""
        if isinstance(trainer.get(name), float) and text.isdecimal():
            trainer[name] = int(text)


def as_list(value: Any) -> list[Any]:
    """Makes a list of a setting that takes one value or several; [] if it is unset."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def write_out_defaults(trainer: Namespace) -> None:
    """Replaces defaults that are Enum members, as in Lightning's Timer, by text: config.yaml holds plain values."""
    for callback in as_list(trainer.callbacks):
        arguments = callback.get("init_args") or {}
        for name, value in vars(arguments).items() if arguments else ():
            if isinstance(value, Enum):
                arguments[name] = value.value


def check_fits(model: pl.LightningModule, path: str) -> None:
    """Refuses a checkpoint of another network before there is a run folder.

    Raises:
        ModelError: as the model's `on_load_checkpoint`.
        NetworkError: if tensors do not fit; names the file and the tensors.
    """
    content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    given, wanted = dict(content["state_dict"]), model.state_dict()
    model.on_load_checkpoint(content)  # removes parameters that another scheme at test does not use
    todo = "give the model's settings that it was trained with, such as --config=RUN/config.yaml"
    refuse_misfit(Path(path), "the network", wanted, given, given.keys() - wanted.keys(), todo)

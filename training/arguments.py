"""What the program makes of its arguments beyond what LightningCLI does."""

from pathlib import Path
from typing import Any

from records.errors import UserError
from training.checkpoint_files import RESUME, WEIGHTS, read_checkpoint


def configurations_first(arguments: list[str]) -> list[str]:
    """The arguments with `--config FILE` moved before all other options, each kind in its order.

    So an option of the command line always wins over a file. A W&B agent may put a sweep's `config` parameter anywhere.
    """
    command, *rest = arguments
    files, others = [], []
    while rest:
        argument = rest.pop(0)
        if argument == "--config" and rest:
            files += [argument, rest.pop(0)]
        else:
            (files if argument.startswith("--config=") else others).append(argument)
    return [command, *files, *others]


def readable(message: str) -> str:
    """The parser's message without the types it tried and the values of everything else."""
    noise = ("Does not validate against", "Subtypes:", "Errors:", "- Expected a <class 'NoneType'>", "Given value")
    lines = [line.strip() for line in message.splitlines() if line.strip() and not line.strip().startswith(noise)]
    return " ".join(line.removeprefix("- ") for line in lines)


def check_checkpoint(command: str, chosen: str | None, model: dict[str, Any]) -> None:
    """Finds a missing or damaged checkpoint before anything is built.

    Args:
        command: fit, validate, test or predict; all but `fit` need a checkpoint.
        chosen: the value of --ckpt_path.
        model: init_args of the model.

    Raises:
        UserError: if there is none, though random weights would be worth nothing, or it cannot be loaded.
    """
    if chosen is not None and not Path(chosen).is_file():
        raise UserError(f"--ckpt_path: {chosen} is no file; a run keeps its checkpoints in RUN/checkpoints/")
    if chosen is not None:
        read_checkpoint(chosen, RESUME if command == "fit" else WEIGHTS, mmap=True)
    # A classifier may come with timm's own weights.
    pretrained = (model.get("network_args") or {}).get("pretrained")
    if chosen is None and command != "fit" and not pretrained:
        raise UserError(f"{command} needs weights: say --ckpt_path=RUN/checkpoints/best.ckpt")

"""Which checkpoint a command works on."""

from pathlib import Path
from typing import Any

from records.errors import UserError


def check_checkpoint(command: str, chosen: str | None, model: dict[str, Any]) -> None:
    """Finds a missing checkpoint before anything is built.

    Args:
        command: fit, validate, test or predict; all but `fit` need a checkpoint.
        chosen: the value of --ckpt_path.
        model: init_args of the model.

    Raises:
        UserError: if there is none, though random weights would be worth nothing, or it is no file.
    """
    if chosen is not None and not Path(chosen).is_file():
        raise UserError(f"--ckpt_path: {chosen} is no file; a run keeps its checkpoints in RUN/checkpoints/")
    # A classifier may come with timm's own weights.
    pretrained = (model.get("network_args") or {}).get("pretrained")
    if chosen is None and command != "fit" and not pretrained:
        raise UserError(f"{command} needs weights: say --ckpt_path=RUN/checkpoints/best.ckpt")

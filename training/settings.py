"""Options of the program itself, beside those of model, data and trainer."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from records.errors import UserError


@dataclass
class RunSettings:
    """Where runs are kept and how often they are saved.

    Args:
        root: folder of all run folders; a run's own is ROOT/NETWORK-PADDING-seedN-ID.
        id: the run's id; by default W&B's (WANDB_RUN_ID), else a hash of the settings that decide the result, so that
            the same command finds its run again.
        checkpoint_every_n_steps: optimiser steps between resume checkpoints; 0: only at validations and epochs' ends.
        checkpoint_every_minutes: minutes after which a resume checkpoint is written within an epoch, too, at the next
            step; 0: none by the clock. Processes agree on the step, every ten steps.
        accept_changed_data: go on with a run whose data are not those it was begun on; run.json records what changed.
        on_nan: what a training loss that is NaN or infinite does: stop the run with exit status 1, or only warn.
    """

    root: Path = Path("runs")
    id: str | None = None
    checkpoint_every_n_steps: int = 500
    checkpoint_every_minutes: float = 0.0
    accept_changed_data: bool = False
    on_nan: Literal["stop", "warn"] = "stop"

    def __post_init__(self) -> None:
        if self.id == "":
            raise UserError("run.id is empty; give letters, digits, '.', '_' and '-', or leave it out")
        for name, zero in (("n_steps", "validations and epochs' ends only"), ("minutes", "no clock")):
            value = getattr(self, f"checkpoint_every_{name}")
            # A comparison with NaN is false.
            if not value >= 0:
                raise UserError(f"run.checkpoint_every_{name} is {value}; it must be above 0, or 0 for {zero}")


@dataclass
class ConvergenceSettings:
    """What is reported of a run's speed.

    Args:
        targets: values of the monitored metric, in percent, whose first epoch goes into the summary.
    """

    targets: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        if wrong := [target for target in self.targets if not 0 < target <= 100]:
            raise UserError(f"convergence.targets holds {wrong[0]}; give percents, above 0 to 100")


@dataclass
class PredictionSettings:
    """What `predict` writes.

    Args:
        output: of a classifier the CSV file, by default predictions.csv; of a segmentation network the folder of the
            pictures, by default predictions. It must not exist yet.
        opacity: of the classes' colours over the image, 0 to 1.
        tiles: draw the seams of the tiles, where `model.evaluation.predict_overlap` asks for tiles (Figures 6 and 8).
        leave_out: shade the centre that is left out at this proportion, such as 1/2 (Figure 7); null shades nothing.
        label_ids: also write each image's classes as Cityscapes label ids, for other programs.
    """

    output: Path | None = None
    opacity: float = 0.5
    tiles: bool = False
    leave_out: float | str | None = None
    label_ids: bool = False

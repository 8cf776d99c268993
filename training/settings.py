"""Options of this program: `run`, `convergence` and `prediction`, beside those of model, data and trainer."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from records.errors import UserError


@dataclass
class RunSettings:
    """Folder and id of a run, and when it is saved or stopped.

    Args:
        root: folder of all run folders; a run is in ROOT/NETWORK-PADDING-seedN-ID.
        id: id of the run; by default W&B's (WANDB_RUN_ID), else a hash of the settings that decide the result, so that
            the same command finds its run again.
        checkpoint_every_n_steps: optimiser steps between resume checkpoints; 0: only at validations and epochs' ends.
        checkpoint_every_minutes: minutes after the last resume checkpoint until a step writes another one; 0: none by
            the clock. Several processes look at the clock every ten steps only.
        accept_changed_data: go on with a run whose data differ from those it began on; run.json records what changed.
        on_nan: reaction to a training loss that is NaN or infinite: stop the run with exit status 1, or only warn.
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
            # `not >=` and not `<`: a comparison with NaN is false.
            if not value >= 0:
                raise UserError(f"run.checkpoint_every_{name} is {value}; it must be above 0, or 0 for {zero}")


@dataclass
class ConvergenceSettings:
    """Settings of the report on a run's convergence.

    Args:
        targets: values of the monitored metric, in percent; the summary gets the first epoch that reaches each.
    """

    targets: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        if wrong := [target for target in self.targets if not 0 < target <= 100]:
            raise UserError(f"convergence.targets holds {wrong[0]}; give percents, above 0 to 100")


@dataclass
class PredictionSettings:
    """Output of `predict`.

    Args:
        output: file or folder to write, which must not exist yet: for a classifier a CSV file, by default
            predictions.csv; for a segmentation network a folder of pictures, by default predictions.
        opacity: opacity of the classes' colours over the image, 0 to 1.
        tiles: draw the seams of the tiles, if `model.evaluation.predict_overlap` asks for tiles (Figures 6 and 8).
        leave_out: proportion of the centre to shade as left out, such as 1/2 (Figure 7); null shades nothing.
        label_ids: also write each image's classes as Cityscapes label ids, for other programs.
    """

    output: Path | None = None
    opacity: float = 0.5
    tiles: bool = False
    leave_out: float | str | None = None
    label_ids: bool = False

"""Evaluates a loaded network on its test images and writes the record into the run's folder."""

import sys

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import RichProgressBar

from lightning_modules import SegmentationModule
from lightning_modules.scene_evaluation import EvaluationSettings
from records.atomic import check_writable
from records.classification import ClassificationRecord, ImageList
from records.evaluation import EvaluationRecord
from studies.checkpoints.load import Trained
from training.callbacks.predicted_classes import PredictedClasses
from training.evaluation_record import keep, make_record
from training.provenance import provenance


def evaluate(trained: Trained, *, in_tiles: bool = False) -> ClassificationRecord | EvaluationRecord:
    """Runs Lightning's `test` and writes the record into the run's `evaluations/`.

    Scenes are predicted as whole images; with `in_tiles`, also in the tiles of the run's configuration. Raises
    UserError if the record could not be written.
    """
    check_writable(trained.folder.evaluations, "its results could not be kept")
    if isinstance(trained.module, SegmentationModule):
        if not in_tiles:
            # Table 4 is of whole images; tiles would multiply the time.
            trained.module.evaluation = EvaluationSettings(overlaps=[])
        _test(trained, [])
        record = make_record(trained.module, trained.data, trained.checkpoint)
        keep(record, trained.checkpoint)
        return record
    predicted = PredictedClasses()
    found = _test(trained, [predicted])
    return _keep_classes(trained, found, predicted.classes)


def _keep_classes(trained: Trained, found: dict[str, float], classes: torch.Tensor) -> ClassificationRecord:
    module, data, evaluations = trained.module, trained.data, trained.folder.evaluations
    image_folder, files, targets = data.eval_files()
    key = data.eval_set_key()
    image_list = f"images-{key['files']}.json.gz"
    ImageList(files, targets, list(data.class_names)).write(evaluations / image_list)
    record = ClassificationRecord(
        **trained.origin,
        padding_at_test=module.scheme,
        precision=str(module.trainer.precision),
        data=key,
        images=len(classes),
        acc1=found["test/acc1"],
        acc5=found.get("test/acc5"),
        loss=found["test/loss"],
        image_folder=str(image_folder.resolve()),
        image_list=image_list,
        predicted=classes.numpy(),
        provenance={**provenance(), "device": str(module.trainer.strategy.root_device)},
    )
    record.write(evaluations / record.file_name)
    return record


def _test(trained: Trained, callbacks: list[pl.Callback]) -> dict[str, float]:
    """Runs Lightning's `test`; returns the metrics that it logs."""
    show_bar = sys.stdout.isatty()
    device = trained.module.device
    trainer = pl.Trainer(
        accelerator={"cuda": "gpu"}.get(device.type, device.type),
        devices=[device.index or 0] if device.type == "cuda" else 1,
        precision=trained.precision,
        callbacks=[*callbacks, *([RichProgressBar()] if show_bar else [])],
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=show_bar,
        # Predicted classes must stay in the order of the files.
        use_distributed_sampler=False,
    )
    trainer.test(trained.module, datamodule=trained.data, verbose=False)
    return {name: float(value) for name, value in trainer.callback_metrics.items()}

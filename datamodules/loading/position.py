"""Where in the training data a run stands, read from Lightning's counters."""

import pytorch_lightning as pl


def next_position(trainer: pl.Trainer) -> tuple[int, int]:
    """(epoch, batch) of the first training batch that has not been trained on.

    Holds in every hook. `processed` rises before the hooks that save checkpoints, `completed` after them; and an
    epoch's batch counters stay at their last value until the next epoch begins, so they count only while one is open.
    An epoch that `max_steps` or an early stop cut short counts as over, as it does for Lightning.
    """
    epochs = trainer.fit_loop.epoch_progress.current
    if epochs.started == epochs.processed:
        return epochs.processed, 0
    batches = trainer.fit_loop.epoch_loop.batch_progress.current.processed
    if batches >= trainer.num_training_batches:
        return epochs.processed + 1, 0
    return epochs.processed, batches

import pytest
import pytorch_lightning as pl


@pytest.fixture
def trainer(tmp_path):
    """Makes a Trainer that writes and says as little as can be."""

    def make(*callbacks, **settings):
        quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
        folder = {"default_root_dir": tmp_path, "enable_checkpointing": False, "num_sanity_val_steps": 0}
        return pl.Trainer(accelerator="cpu", callbacks=list(callbacks), **{**quiet, **folder, **settings})

    return make

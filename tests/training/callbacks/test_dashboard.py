"""What a run saves to W&B beside its curves."""

from types import SimpleNamespace

import wandb

from records import RunFolder
from training.callbacks.dashboard import save_files


def test_saved_files_are_those_of_the_run_folder_also_after_it_was_moved(tmp_path):
    folder, saved = RunFolder(tmp_path / "run"), []
    attempt = folder.path / "wandb/offline-run-1/files"
    attempt.mkdir(parents=True)
    for file in folder.core_files:
        file.write_text(file.name)
    run = SimpleNamespace(dir=str(attempt), disabled=False, save=lambda path, **_: saved.append(path))
    save_files(run, folder)
    save_files(run, folder)
    assert saved == 2 * [str(attempt / f"run_folder_{file.name}") for file in folder.core_files]
    moved = folder.path.rename(tmp_path / "moved")
    for file in folder.core_files:
        assert (moved / attempt.relative_to(folder.path) / f"run_folder_{file.name}").read_text() == file.name


def test_nothing_is_saved_where_wandb_is_disabled(tmp_path):
    run = wandb.init(mode="disabled")
    save_files(run, RunFolder(tmp_path))
    run.finish()
    assert list(tmp_path.iterdir()) == []

"""`main.py cache`, and that a run which reads it is the run that decodes."""

import pytest

from records import find_runs
from tests.support.program import SMALL_SCENES, main_here, refusal

pytestmark = pytest.mark.usefixtures("settled")


def test_a_run_from_the_cache_is_the_same_run(sample_streets, tmp_path, capsys):
    data, kept = f"--data.root={sample_streets}", f"--data.cache={tmp_path}/kept"
    for count in (2, 1):
        assert main_here("cache", "--config", "configs/demo/segmentation.yaml", data, kept) == 0
        said = capsys.readouterr().out
        assert f"GB in {tmp_path}/kept" in said
        assert said.count("━") > 40 * (count - 0.5)
        assert "complete, all checksums right" in said
    rows = []
    for number, options in enumerate(([], [kept])):
        arguments = [*SMALL_SCENES, data, f"--run.root={tmp_path}/{number}", "--trainer.max_epochs=1", *options]
        assert main_here("fit", *arguments) == 0
        (run,) = find_runs(tmp_path / str(number))
        rows.append((run.path.name, run.read_rows()[0]["train/loss"], run.read_rows()[0]["val/loss"]))
    assert rows[0] == rows[1]


def test_what_is_missing_is_named(sample_streets, tmp_path, capsys):
    data = f"--data.root={sample_streets}"
    said = refusal(capsys, "cache", "configs/demo/segmentation.yaml", data)
    assert "data.cache is not set" in said
    arguments = [*SMALL_SCENES, data, f"--run.root={tmp_path}/runs", f"--data.cache={tmp_path}/none"]
    assert f"{tmp_path}/none: the cache of decoded images cannot be used" in refusal(capsys, "fit", *arguments)
    assert not any(tmp_path.iterdir())

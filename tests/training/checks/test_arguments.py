"""What the program makes of arguments beyond what the parser does."""

import pytest
from jsonargparse import Namespace

from tests.support.program import NO_DASHBOARD, fit, main_here, only_run
from training import program
from training.checks.arguments import keep_counts
from training.checks.sources import Sources


@pytest.mark.parametrize(("text", "kept"), [("1", 1), ("1.0", 1.0), ("0.5", 0.5), ("12", 12)])
def test_a_number_of_batches_is_no_share(text, kept, tmp_path):
    """Whatever the parser made of it; 1 and 1.0 are equal, so the type is looked at, too. A file's numbers as well."""
    (tmp_path / "own.yaml").write_text(f"trainer:\n  limit_val_batches: {text}\n")
    options = Namespace(limit_train_batches=float(text), limit_val_batches=float(text), val_check_interval=1.0)
    given = [f"--trainer.limit_train_batches={text}", f"--config={tmp_path / 'own.yaml'}"]
    keep_counts(options, Sources(["fit", *given]))
    for found in (options.limit_train_batches, options.limit_val_batches):
        assert (found, type(found)) == (kept, type(kept))
    assert type(options.val_check_interval) is float, "nobody gave it"


def test_the_program_keeps_them_where_it_parses_and_where_it_makes_the_trainer(tmp_path, sample_tree, monkeypatch):
    """As if the parser had made a share of it both times."""
    counts, original = [], program.keep_counts

    def after_a_share(trainer, sources):
        trainer.limit_train_batches = float(trainer.limit_train_batches)
        original(trainer, sources)
        counts.append(trainer.limit_train_batches)

    monkeypatch.setattr(program, "keep_counts", after_a_share)
    options = [NO_DASHBOARD, "--trainer.max_epochs=1", "--trainer.limit_train_batches=1"]
    assert main_here(*fit(tmp_path, sample_tree, *options)) == 0
    assert [type(count) for count in counts] == [int, int]
    assert only_run(tmp_path).read_rows()[0]["step"] == 1

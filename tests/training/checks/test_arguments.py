"""What the program makes of arguments beyond what the parser does."""

import pytest
from jsonargparse import Namespace

from tests.support.program import SMALL
from training.checks.arguments import keep_counts
from training.checks.sources import Sources
from training.program import parse


@pytest.mark.parametrize(("text", "kept"), [("1", 1), ("1.0", 1.0), ("0.5", 0.5), ("12", 12)])
def test_a_number_of_batches_is_no_share(text, kept):
    """Whatever the parser made of it; 1 and 1.0 are equal, so the type is looked at, too."""
    options = Namespace(limit_train_batches=float(text), val_check_interval=1.0)
    keep_counts(options, Sources(["fit", f"--trainer.limit_train_batches={text}"]))
    assert (options.limit_train_batches, type(options.limit_train_batches)) == (kept, type(kept))
    assert type(options.val_check_interval) is float, "nobody gave it"


def test_of_a_configuration_too(tmp_path):
    (tmp_path / "own.yaml").write_text("trainer:\n  limit_val_batches: 1\n")
    options = Namespace(limit_val_batches=1.0)
    keep_counts(options, Sources(["fit", "--config", str(tmp_path / "own.yaml")]))
    assert type(options.limit_val_batches) is int


def test_the_program_keeps_them(monkeypatch):
    seen = []
    monkeypatch.setattr("training.program.keep_counts", lambda trainer, sources: seen.append(trainer))
    parse(["fit", *SMALL])
    assert seen

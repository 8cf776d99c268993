"""Tests that are missing are run one after another, until one is interrupted."""

import os
import signal

from rich.console import Console

from studies.runs.collect import collect
from studies.segmentation import measure


def test_an_interruption_starts_no_other_test(make_run, tmp_path, monkeypatch, capsys):
    make_run()
    collection = collect(tmp_path / "runs")
    test = measure.MissingTest(collection.runs[0], ())
    monkeypatch.setattr(measure, "missing", lambda *_: [test, test])
    monkeypatch.setattr(measure, "run", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    assert measure.run_missing(Console(), collection, []) == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before
    shown = capsys.readouterr().out
    assert "test 1 of 2" in shown
    assert "test 2 of 2" not in shown

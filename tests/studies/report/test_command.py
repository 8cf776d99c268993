"""`main.py report`: whole numbers on a narrow terminal, exit status and messages."""

from functools import partial

import pytest

from records.errors import UserError
from studies import Study, find
from studies.report import command, page
from studies.runs.options import run

main = find("report").main


@pytest.fixture
def runs(tmp_path, make_run):
    for padding in ("zero", "partial"):
        for seed in range(5):
            finished = seed < 4 or padding == "zero"
            folder = f"{padding}{seed}"
            make_run("a_network_of_a_long_name", padding, seed, (50.125 + seed,), folder=folder, finished=finished)
    return tmp_path / "runs"


def test_prints_whole_values_and_where_the_page_is(runs, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    page = tmp_path / "new/folder/report.html"
    assert main([str(runs), "--output", str(page.parent)]) == 0
    shown = capsys.readouterr().out
    for value in ("50.125", "54.125", "a_network_of_a_long_name_partial", "-0.500", "1.581"):
        assert value in shown
    assert "…" not in shown
    assert f"left out: {runs / 'partial4'}: unfinished: 1 of 1 epochs" in shown
    assert f"Report: {page}" in shown
    assert page.is_file()
    assert not (runs / "report").exists()


@pytest.fixture
def mixed(tmp_path, make_run):
    """Two classification runs and one segmentation run below one folder."""
    config = {"data": {"init_args": {"image_size": 48}}}
    make_run("net0", values=(50.0,), config=config)
    make_run("net0", "partial", values=(51.0,), config=config)
    make_run("net1", values=(52.0,), config=config, monitor="val/miou")
    return tmp_path / "runs"


def test_runs_that_monitor_another_metric_are_named_and_have_a_page_on_request(mixed, capsys):
    assert main([str(mixed)]) == 0
    shown = capsys.readouterr().out
    assert f"Report: {mixed / 'report/report.html'}" in shown
    assert "it monitors val/miou (--metric)" in shown
    assert main([str(mixed), "--metric", "val/miou", "--output", str(mixed / "miou")]) == 0
    assert "it monitors val/acc1" in capsys.readouterr().out
    assert (mixed / "miou/table5_best.csv").is_file()


def test_complete_runs_what_each_kind_of_runs_lacks_and_goes_on_after_a_problem(mixed, monkeypatch, capsys):
    called = []

    def note(study, arguments):
        called.append((study.name, arguments))
        if study.name == "disagreements":
            raise UserError("no images")
        if study.name == "activations":
            raise RuntimeError("no memory")
        return int(study.name == "timing")

    # Drawing the pages takes seconds, and other tests look at them.
    monkeypatch.setattr(page, "write_report", lambda *arguments: ([], []))
    report = partial(run, "report", command.main)
    monkeypatch.setattr(Study, "main", note)
    assert report([str(mixed), "--complete", "--data-root", "images"]) == 1
    assert [name for name, _ in called] == ["timing", "cross-test", "disagreements", "activations"]
    by_command = dict(called)
    timed = " ".join(by_command["timing"])
    assert timed == f"--networks net0 --sizes 48 --output {mixed / 'timing'} --schemes partial"
    common = f"{mixed} --metric val/acc1 --output {mixed / 'report'} --data-root images"
    assert " ".join(by_command["cross-test"]) == common
    last = capsys.readouterr().out.splitlines()[-3:]
    assert last[0].startswith("not completed: timing: some runs are left out")
    assert last[1:] == [
        "not completed: disagreements: no images",
        "not completed: activations: RuntimeError: no memory",
    ]
    called.clear()
    assert report([str(mixed), "--metric", "val/miou", "--complete", "--data-root", "images"]) == 0
    other = common.replace("val/acc1", "val/miou")
    assert [(name, " ".join(words)) for name, words in called] == [("segmentation", f"{other} --test --pictures")]
    # What was measured once is not measured again.
    (mixed / "timing").mkdir()
    (mixed / "timing/timing.json").write_text("{}")
    called.clear()
    report([str(mixed), "--complete"])
    assert "timing" not in dict(called)


def test_what_complete_evaluated_is_on_the_page_at_once(make_run, keep_evaluation, tmp_path, monkeypatch):
    made = {padding: make_run(padding=padding) for padding in ("zero", "partial")}

    def evaluate(study, arguments):
        if study.name == "cross-test":
            for run in made.values():
                for scheme in made:
                    keep_evaluation(run, [0, 0, 1, 1, 2, 2], scheme)
        return 0

    report = partial(run, "report", command.main)
    monkeypatch.setattr(Study, "main", evaluate)
    assert report([str(tmp_path / "runs"), "--complete"]) == 0
    assert "(Table 4)" in (tmp_path / "runs/report/report.html").read_text()

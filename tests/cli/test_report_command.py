"""`main.py report`: whole numbers on a narrow terminal, exit status and messages."""

import pytest

from cli.errors import UserError
from cli.report import main
from records import RunFolder, RunRecord


@pytest.fixture
def runs(tmp_path):
    for padding in ("zero", "partial"):
        for seed in range(5):
            folder = RunFolder(tmp_path / "runs" / f"{padding}{seed}")
            name = f"a_network_of_a_long_name-{padding}"
            record = RunRecord(f"{padding}{seed}", f"{name}-{seed}", name, name[:24], padding, seed, 1, "val/acc1")
            record.finished = seed < 4 or padding == "zero"
            folder.write_record(record)
            folder.write_rows([{"epoch": 0, "step": 1, "val/acc1": 50.125 + seed}])
    return tmp_path / "runs"


def test_prints_whole_values_and_where_the_page_is(runs, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    assert main([str(runs)]) == 0
    shown = capsys.readouterr().out
    for value in ("50.125", "54.125", "a_network_of_a_long_name_partial", "-0.500", "1.581"):
        assert value in shown
    assert "…" not in shown
    assert f"left out: {runs / 'partial4'}: unfinished: 1 of 1 epochs" in shown
    assert f"Report: {runs / 'report' / 'report.html'}" in shown
    assert (runs / "report" / "report.html").is_file()


def test_reports_elsewhere_and_again(runs, tmp_path):
    assert main([str(runs), "--output", str(tmp_path / "out" / "page")]) == 0
    assert main([str(runs), "--output", str(tmp_path / "out" / "page")]) == 0
    assert (tmp_path / "out" / "page" / "report.html").is_file()
    assert not (runs / "report").exists()


def test_nothing_to_report_is_a_user_error(runs, tmp_path):
    with pytest.raises(UserError, match="is no folder"):
        main([str(tmp_path / "none")])
    with pytest.raises(UserError, match=r"(?s)no finished run to report on.*no value of val/acc5"):
        main([str(runs), "--metric", "val/acc5"])
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot be written.*--output"):
        main([str(runs), "--output", str(tmp_path / "file")])

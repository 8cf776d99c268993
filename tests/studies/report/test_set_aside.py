"""Whatever a report leaves out is named in the terminal and on the page; tampered names lead nowhere."""

import json
import re
import xml.etree.ElementTree

import pytest

from studies import Study
from tests.support.program import main_here


@pytest.fixture
def pair(make_run, keep_evaluation):
    """A run of each scheme with what it predicted."""
    made = {padding: make_run("net", padding, values=(10.0, 30.0, 20.0)) for padding in ("zero", "partial")}
    for each in made.values():
        keep_evaluation(each, [0, 1, 1, 1, 2, 0])
    return made


def test_everything_left_out_is_named(pair, keep_evaluation, tmp_path, capsys):
    zero = pair["zero"]
    (good,) = zero.evaluations.glob("*.json")
    content = json.loads(good.read_text())
    for name, text in {
        "cut": good.read_text()[:-9],
        "unknown": json.dumps({"kind": "mine"}),
        "foreign": json.dumps({**content, "padding": "reflect"}),
        "no-number": json.dumps({**content, "acc1": float("nan")}),
        "leads-away": json.dumps({**content, "image_list": "../../images.json.gz"}),
    }.items():
        (zero.evaluations / f"{name}.json").write_text(text)
    keep_evaluation(zero, [0] * 6, scheme="partial", digest="others")
    (zero.path.parent / "timing").mkdir()
    (zero.path.parent / "timing/timing.json").write_text('{"kind": "timing"')
    pair["partial"].epochs.write_text("epoch,step,val/acc1\n0,1,40.0\n1,2,nan\n2,3,inf\n")
    assert main_here("report", str(tmp_path / "runs")) == 0
    said, page = capsys.readouterr().out, (tmp_path / "runs/report/report.html").read_text()
    for words in (said, re.sub(r"<[^>]+>", "", page).replace("&#39;", "'")):
        for name, reason in {
            "cut": "is damaged: ",
            "unknown": "holds a record of kind 'mine', which no study reads",
            "foreign": "is of weights of net trained with reflect padding, and the run trains net with zero padding",
            "no-number": "is damaged: acc1 is nan, no percentage",
            "leads-away": "is damaged: image_list is '../../images.json.gz', no name of a file beside it",
        }.items():
            assert f"{name}.json: {reason}" in words
        assert "timing.json is damaged" in words
        assert "net-zero-seed0 under partial: evaluated on other images" in words
        assert "net-partial-seed0: a figure of the validation is no number in epoch 2, 3; it is no" in words
    assert f">{zero.path.name}/evaluations/cut.json</a>" in page, "a name says of which run"
    table = "".join((tmp_path / f"runs/report/{name}.csv").read_text() for name in ("table2_best", "table3_last5"))
    assert not re.search(r"nan|inf\b", table)
    assert table.count("40.0") >= 4, "its only number is its best and its average"


def test_a_study_that_fails_is_named_and_the_others_are_shown(pair, tmp_path, monkeypatch, capsys):
    def fail(*_):
        raise ZeroDivisionError("seven")

    fail.__module__ = "studies.accuracy.figure"
    load = Study.load
    monkeypatch.setattr(Study, "load", lambda self, name: fail if name == "figure:study" else load(self, name))
    assert main_here("report", str(tmp_path / "runs")) == 1
    line = "accuracy.figure: ZeroDivisionError: seven"
    assert f"not shown: {line}" in capsys.readouterr().out
    page = (tmp_path / "runs/report/report.html").read_text()
    assert line in page
    assert "(Table 2)" in page


HTML = "<script>alert(1)</script>&$a_b$"


TAMPERED = (
    {"monitor": "../.."},
    {"monitor": ".."},
    {"monitor": "/etc/x"},
    {"monitor": "--output"},
    {"name": HTML, "group": HTML, "network": HTML, "padding": HTML, "variant": HTML},
    {"network": "../../../x/y"},
    {"padding": "../../z"},
    {"variant": "split../.."},
    {"variant": "split9999999999"},
    {"name": "a\nb\x1b[2J"},
    {"name": "x" * 10_000},
    {"seed": 10**100, "max_epochs": 10**100, "max_steps": -(10**100)},
    {"seed": "0"},
    {"targets": [float("nan"), 1e308, -5.0]},
    {"attempts": [{"url": f"javascript:{HTML}", "command": [HTML], "commit": HTML, "versions": {HTML: HTML}}]},
    {"attempts": [{"url": 5, "command": " ", "commit": [1], "versions": 3, "host": {}, "devices": [[]]}]},
    {"attempts": [[]]},
    {"finished": "yes"},
)


def test_tampered_runs_never_lead_out_of_their_folder_nor_onto_the_page(make_run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for padding in ("zero", "partial"):
        make_run("net", padding)
    for number, changes in enumerate(TAMPERED):
        odd = make_run("net", "partial", seed=number, folder=f"odd{number}")
        content = json.loads(odd.record_file.read_text()) | changes
        odd.record_file.write_text(json.dumps(content))
        odd.epochs.write_text(f"epoch,step,{content['monitor']}\n0,1,5.0\n1,2,6.0\n")
    before = {path for path in tmp_path.rglob("*") if "report" not in path.parts}
    outside = set(tmp_path.parent.iterdir())
    assert main_here("report", str(tmp_path / "runs")) == 0
    said = "".join(capsys.readouterr())
    assert "Traceback" not in said
    assert "\x1b" not in said
    assert all(f"odd{number}: run.json is damaged: {what}" in said for number, what in ((3, "monitor"), (9, "name")))
    assert {path for path in tmp_path.rglob("*") if "report" not in path.parts} == before
    assert set(tmp_path.parent.iterdir()) == outside
    for file in (tmp_path / "runs/report").rglob("*.*"):
        text = file.read_text(errors="replace")
        assert file.suffix == ".csv" or "<script" not in text
        assert 'href="javascript' not in text
    assert len(list((tmp_path / "runs/report").rglob("report.html"))) == 1
    # A panel's title and a line of the legend; with mathematics in it the name would be in pieces.
    drawn = [each.text or "" for each in xml.etree.ElementTree.parse(tmp_path / "runs/report/figure3.svg").iter()]
    assert HTML in drawn
    assert f"{HTML}-{HTML}" in "".join(map(str.strip, drawn)), "in two lines"

"""A table's renderings: every digit in CSV, words for readers elsewhere."""

from pathlib import Path

from rich.console import Console

from studies.page.blocks import Bullets, Details, Figure, Notice, Section, Text
from studies.page.tables import Column, Linked, Marked, Table, decimals, starts
from studies.page.terminal import show_sections

TABLE = Table(
    "Title",
    [Column("Name"), Column("1_best", decimals(3)), Column("seeds", only_csv=True)],
    [[Marked(Linked("a|[b]", Path("x")), None), Linked(1 / 3, Path("y")), "0 1"], ["c", None, None]],
    starts(["a", "c"]),
)


def test_csv_and_markdown(tmp_path):
    csv, markdown = (file.read_text() for file in TABLE.write(tmp_path, "t"))
    assert csv == f"Name,1_best,seeds\na|[b],{1 / 3!r},0 1\nc,,\n"
    assert markdown == "| Name | 1_best |\n| --- | ---: |\n| a\\|[b] | 0.333 |\n| c | - |\n"
    assert TABLE.starts == [1]
    words = Table("", [Column("a"), Column("b", words=True), Column("c")], [])
    assert words.markdown() == "| a | b | c |\n| --- | --- | ---: |\n"


def test_a_terminal_gets_tables_and_what_is_meant_for_it(capsys):
    quiet = [Text("quiet"), Bullets(["quiet"]), Details("quiet", [TABLE]), Figure([], "quiet"), Notice("quiet", ["x"])]
    loud = [Text(["a ", Linked("link", Path("x"))], terminal=True), Notice("Not run", ["[1]", "y"], terminal=True)]
    empty = [Bullets([], terminal=True), Notice("quiet", [], terminal=True)]
    console = Console(width=9)
    show_sections(console, [Section("quiet", [*quiet, TABLE, *loud, *empty])])
    text = capsys.readouterr().out
    assert "quiet" not in text
    # Cells stay whole, whatever the width; headings break at underscores.
    lines = [line.split() for line in text.splitlines()]
    assert ["a|[b]", "0.333"] in lines
    assert ["Name", "best"] in lines
    assert "a link" in text
    assert "Not run: [1]\nNot run: y" in text

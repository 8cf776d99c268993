"""The page: every text escaped, every block in its place, nothing fetched from elsewhere."""

import re
from html.parser import HTMLParser
from pathlib import Path

import matplotlib as mpl
import pytest

from studies.page import palette
from studies.page.blocks import Bullets, Chapter, Details, Figure, Notice, Raster, Section, Text
from studies.page.drawing import Drawing
from studies.page.page import render
from studies.page.tables import Column, Linked, Marked, Table

EVIL = '<b onclick="x">&\'$a_b$'
STYLES = palette.styles(["zero", EVIL])
VOID = {"meta", "link", "br", "img", "hr", "input", "wbr", "col"}


class Page(HTMLParser):
    """Collects what stands on a page, and checks that elements close in the order that they opened."""

    def __init__(self, text):
        super().__init__()
        self.open, self.references, self.ids, self.labels, self.words, self.tags = ([] for _ in range(6))
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.references += [value for name, value in attributes if name in ("src", "href", "xlink:href", "srcset")]
        self.labels += [value for name, value in attributes if name == "aria-label"]
        self.ids += [value for name, value in attributes if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def drawing(**settings):
    return Drawing(lambda canvas: canvas.add_subplot().plot([1, 2], [3, 4]), (4, 3), EVIL, **settings)


TABLE = Table(
    EVIL, [Column(EVIL), Column("c", code=True)], [[Marked(Linked(EVIL, Path("/x/a b#?%")), STYLES[EVIL]), EVIL]]
)


@pytest.mark.parametrize(
    ("block", "times"),
    [
        (Text(EVIL), 1),
        (Text(["x ", Linked(EVIL, EVIL), EVIL], muted=True), 2),
        (Bullets([EVIL, [EVIL, "y"]]), 2),
        (Bullets([Linked(EVIL, Path("/x"))], in_columns=True), 1),
        (Notice(EVIL, [EVIL]), 2),
        (TABLE, 3),
        (Figure([drawing(legend=STYLES)], EVIL, EVIL), 3),
        (Figure([drawing(), Raster(b"", EVIL)], EVIL), 1),
        (Details(EVIL, [TABLE]), 4),
    ],
    ids=lambda value: type(value).__name__,
)
def test_texts_are_escaped(block, times):
    """Of every block, in every place where a text goes."""
    page = Page(render(EVIL, [Text(EVIL)], [Chapter(EVIL, [Section(EVIL, [block])])], Path("/x/report")))
    assert "b" not in page.tags
    # Title, heading, lead and the fold's title, too, which its one section does not repeat.
    assert "".join(page.words).count(EVIL) == times + 4


def test_several_tables_of_a_section_have_headings_but_for_its_own_title():
    tables = [Table(title, [Column("c")], [["x"]]) for title in ("first", "second")]
    for shown, headings in ((tables, ["second"]), (tables[1:], []), ([Details("second", tables)], ["first"])):
        text = render("page", [], [Chapter("part", [Section("first", shown)])], Path("/x"))
        assert re.findall("<h3>(.*?)</h3>", text) == headings


def test_links():
    """Relative from the page's folder; a web address as it is; anything else no link."""
    links = [Path("/x/a b#?%"), "https://w.b/?a=1&b=2", "javascript:alert(1)"]
    text = render("", [Bullets([Linked("n", link) for link in links]), TABLE], [], Path("/x/report"))
    assert Page(text).references == ["../a%20b%23%3F%25", "https://w.b/?a=1&b=2", "../a%20b%23%3F%25"]


def test_pictures_do_not_meet():
    """A page of several drawings: ids are unique, references stay within their own, and nothing is fetched."""
    blocks = [Figure([drawing(legend=STYLES)] * 2), Figure([drawing()]), Figure([Raster(b"\x89PNG", "")])]
    text = render("", [], [Chapter("", [Section("", blocks)])], Path("/x"))
    page = Page(text)
    assert len(page.ids) == len(set(page.ids)) > 3
    *inside, picture = page.references
    assert {each[1:] for each in inside} | set(re.findall(r"url\(#([^)]+)\)", text)) <= set(page.ids)
    assert page.labels == [EVIL] * 3
    assert picture.startswith("data:image/png;base64,")
    assert not re.search(r"https?:|url\((?!#)|@import|<script|//cdn|#010[23]|#0203", text)
    assert text.count('class="panels"') == text.count('class="legend"') == 1
    assert all(each in text for each in ('<meta name="viewport"', "prefers-color-scheme: dark", "@media print"))


def test_blocks_of_a_table_are_set_apart():
    table = Table(
        "", [Column("a_b"), Column("hidden", only_csv=True), Column("c", words=True)], [["x", 1, 3], ["y", 2, 4]], [1]
    )
    text = render("", [table], [], Path("/x"))
    cells = r'<th scope="row">{}</th>\s*<td class="words">{}</td>\s*</tr>'
    assert re.search(rf'<tr>\s*{cells.format("x", 3)}\s*<tr class="first">\s*{cells.format("y", 4)}', text)
    assert "a_<wbr>b" in text
    assert "hidden" not in text


@pytest.mark.parametrize("count", [2, 14])
def test_the_legend_of_a_file_lies_within_it(count, monkeypatch):
    """And takes its height from no panel."""
    figures = []
    monkeypatch.setattr(mpl.figure.Figure, "savefig", lambda figure, *_, **__: figures.append(figure))
    drawing(legend=palette.styles([f"extrapolate:{number}" for number in range(count)]))._draw(with_legend=True)
    (figure,) = figures
    figure.draw_without_rendering()
    (legend,), (axes,) = figure.legends, figure.axes
    assert figure.bbox.x0 <= legend.get_window_extent().x0 < legend.get_window_extent().x1 <= figure.bbox.x1
    assert axes.get_window_extent().height > 0.75 * 3 * figure.dpi


def test_a_file_has_its_own_colours_and_legend(tmp_path):
    text = drawing(legend=STYLES).write(tmp_path / "x.svg").read_text()
    assert "--scheme-0:" in text
    assert "zero" in text
    assert "prefers-color-scheme: dark" in text
    assert "zero" not in drawing(legend=STYLES).inline("p")

"""Pages of the site that stand elsewhere in the repository, and examples of docstrings as code: hooks of mkdocs."""

import re
from pathlib import Path

import griffe
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
PAGES = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}


def on_files(files: Files, config) -> Files:
    """Adds the pages, their links as they are seen from docs/."""
    for name, source in PAGES.items():
        text = (ROOT / source).read_text().replace("](docs/", "](")
        files.append(File.generated(config, name, content=linked(text)))
    return files


def on_page_markdown(markdown: str, **_) -> str:
    """Turns links to files of the repository that are no page into their names."""
    return linked(markdown.replace("](../", "]("))


def linked(text: str) -> str:
    for name, source in PAGES.items():
        text = text.replace(f"]({source})", f"]({name})")
    # no page, and of interest to those who have the files
    for other in ("LICENSE", "CITATION.cff", "notebooks/padding.ipynb"):
        text = text.replace(f"[{other}]({other})", f"`{other}`")
    return text


class Examples(griffe.Extension):
    """Shows the doctests of a docstring as code; griffe knows those under a heading alone."""

    def on_package(self, *, pkg: griffe.Module, **_) -> None:
        self.on_object(obj=pkg)

    def on_object(self, *, obj: griffe.Object, **_) -> None:
        if obj.docstring:
            obj.docstring.value = re.sub(r"(?m)^>>> (?:.|\n(?!\n))*", r"```pycon\n\g<0>\n```", obj.docstring.value)

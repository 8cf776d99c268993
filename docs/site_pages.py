"""Hooks of mkdocs that add pages from outside of docs/ to the site, and show examples of docstrings as code."""

import re
from pathlib import Path

import griffe
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
PAGES = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}


def on_files(files: Files, config) -> Files:
    """Adds PAGES to the site, with links rewritten as seen from docs/."""
    for name, source in PAGES.items():
        text = (ROOT / source).read_text().replace("](docs/", "](")
        files.append(File.generated(config, name, content=linked(text)))
    return files


def on_page_markdown(markdown: str, **_) -> str:
    """Rewrites links that leave docs/: to a page of the site, or to a plain name if there is none."""
    return linked(markdown.replace("](../", "]("))


def linked(text: str) -> str:
    for name, source in PAGES.items():
        text = text.replace(f"]({source})", f"]({name})")
    # These files are no pages of the site, so their links become plain names.
    for other in ("LICENSE", "CITATION.cff", "notebooks/padding.ipynb"):
        text = text.replace(f"[{other}]({other})", f"`{other}`")
    return text


class Examples(griffe.Extension):
    """Shows the doctests of a docstring as code; griffe itself does so only below a heading."""

    def on_package(self, *, pkg: griffe.Module, **_) -> None:
        self.on_object(obj=pkg)

    def on_object(self, *, obj: griffe.Object, **_) -> None:
        if obj.docstring:
            obj.docstring.value = re.sub(r"(?m)^>>> (?:.|\n(?!\n))*", r"```pycon\n\g<0>\n```", obj.docstring.value)

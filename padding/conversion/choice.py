"""Chooses the scheme of each layer: one scheme for all layers, or schemes by patterns of layers' names."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from padding.conversion.report import shortened
from padding.errors import PaddingError
from padding.registry import Scheme, available_schemes, find_scheme


@dataclass(frozen=True)
class Choice:
    """Shell patterns of layers' names (`*` matches dots, too) with a scheme each; the first that matches decides.

    Attributes:
        name: name of the scheme; for patterns `PATTERN=SCHEME;PATTERN=SCHEME`, which `choose` can parse.
        rules: the patterns in order, each with its scheme.
    """

    name: str
    rules: tuple[tuple[str, Scheme], ...]

    def scheme_of(self, layer: str) -> Scheme | None:
        """The scheme of a layer; None if no pattern matches it, so that it stays as it was built."""
        return next((scheme for pattern, scheme in self.rules if fnmatchcase(layer, pattern)), None)

    @property
    def by_name(self) -> bool:
        """Whether the schemes depend on the layers' names."""
        return "=" in self.name

    @property
    def changes(self) -> bool:
        """Whether any rule has a scheme other than zero padding."""
        return any(scheme.convolve is not None for _, scheme in self.rules)

    def check(self, layers: Iterable[str]) -> None:
        """Raises PaddingError if a pattern matches none of the layers."""
        layers = list(layers)
        for pattern, _ in self.rules if self.by_name else ():
            if not any(fnmatchcase(layer, pattern) for layer in layers):
                there = shortened(layers, 6) or "none"
                raise PaddingError(f"padding pattern {pattern!r} names no padded layer; there are {there}")


def one_line(padding: str | Mapping[str, str]) -> str:
    """Writes a mapping of patterns as text that `choose` can parse; returns a name unchanged."""
    return padding if isinstance(padding, str) else ";".join(f"{pattern}={name}" for pattern, name in padding.items())


def choose(padding: str | Mapping[str, str]) -> Choice:
    """Parses a scheme's name, a mapping from patterns to names, or the text of such a mapping.

    >>> choose({"stem*": "zero", "*": "partial"}).name
    'stem*=zero;*=partial'

    Raises:
        PaddingError: a scheme is unknown, or the patterns are malformed or none.
    """
    if isinstance(padding, str) and "=" in padding:
        parts = [part.partition("=") for part in padding.split(";")]
        pairs = {pattern: name for pattern, mark, name in parts if mark}
        if len(pairs) != len(parts):
            raise PaddingError(f"padding {padding!r}: say PATTERN=SCHEME;PATTERN=SCHEME, each pattern once")
        padding = pairs
    if isinstance(padding, str):
        scheme = find_scheme(padding)
        return Choice(scheme.name, (("*", scheme),))
    if not isinstance(padding, Mapping):
        schemes = ", ".join(available_schemes())
        raise PaddingError(
            f"padding is {padding!r}; it must be a scheme ({schemes}) or a mapping from names to schemes"
        )
    for pattern, name in padding.items():
        if not (isinstance(pattern, str) and isinstance(name, str)) or not pattern or {*"=;"} & {*pattern}:
            raise PaddingError(f"padding by patterns: {pattern!r}: {name!r} must be a layer's name and a scheme's name")
    if not padding:
        raise PaddingError("padding by patterns: there is none; name at least one, such as {'*': 'partial'}")
    rules = tuple((pattern, find_scheme(name)) for pattern, name in padding.items())
    return Choice(";".join(f"{pattern}={scheme.name}" for pattern, scheme in rules), rules)

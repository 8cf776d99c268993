"""The report of a conversion, layer by layer."""

from collections import Counter
from dataclasses import asdict, dataclass, field


@dataclass
class ConversionReport:
    """Lists the layers that `convert_padding` converted, left, or could not convert, in the model's order.

    Names are those of `model.named_modules()`; the model itself is ''. `reasons` says why a layer was left or is
    unsupported; `kinds` gives the original class of every name.

    >>> print(ConversionReport("partial", converted=["stem"], kinds={"stem": "Conv2d"}))
    padding 'partial': 1 Conv2d converted
    """

    scheme: str
    converted: list[str] = field(default_factory=list)
    """Layers that pad by the scheme now, whether or not they did before."""
    left: list[str] = field(default_factory=list)
    """Layers that pad but are no zero-padded convolutions, such as max pools; left as in the paper's networks."""
    unsupported: list[str] = field(default_factory=list)
    """Layers that still pad with zeros, because they cannot be converted."""
    unseen: list[str] = field(default_factory=list)
    """Modules of other packages than torch and timm, if no example was run: they may pad inside their forward."""
    schemes: dict[str, str] = field(default_factory=dict)
    """The scheme of each converted layer, if schemes were chosen by patterns of names."""
    files: dict[str, str] = field(default_factory=dict)
    """The user's files that define schemes, each with the SHA-256 of its content."""
    learned: int = 0
    """The number of values in the scheme's own parameters."""
    reasons: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict:
        """The report as a dict of JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [f"padding '{self.scheme}': {self._counted(self.converted) or 'nothing'} converted"]
        for scheme in dict.fromkeys(self.schemes.values()):
            names = [name for name in self.converted if self.schemes[name] == scheme]
            lines.append(f"  '{scheme}': {self._counted(names)}: {shortened(names)}")
        if self.learned:
            lines.append(f"parameters of the scheme: {self.learned}, trained by optimisers made from now on")
        if self.left:
            lines.append(f"left as they are: {self._counted(self.left)}")
        lines += self._grouped("left", self.left)
        if self.unsupported:
            lines.append(f"NOT CONVERTED, still padded with zeros: {self._counted(self.unsupported)}")
        lines += self._grouped("unsupported", self.unsupported)
        if self.unseen:
            kinds = shortened([*dict.fromkeys(self.kinds[name].rpartition(".")[2] for name in self.unseen)])
            lines.append(f"not run, so padding inside these forwards is not known (example=INPUT shows it): {kinds}")
        return "\n".join(lines)

    def _counted(self, names: list[str]) -> str:
        counts = Counter(self.kinds[name] for name in names)
        return ", ".join(f"{number} {kind}" for kind, number in counts.items())

    def _grouped(self, title: str, names: list[str]) -> list[str]:
        by_reason: dict[str, list[str]] = {}
        for name in names:
            by_reason.setdefault(self.reasons[name], []).append(name or "(the model itself)")
        return [f"  {title}: {shortened(members)}: {reason}" for reason, members in by_reason.items()]


def shortened(names: list[str], shown: int = 3) -> str:
    """Joins the first `shown` names, and adds how many more there are."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more

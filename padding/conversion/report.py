"""What a conversion did, layer by layer."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class ConversionReport:
    """The outcome of `convert_padding`: names as in `model.named_modules()`, the root as ''.

    `converted`, `left` and `unsupported` are lists of names in the model's order; `reasons` says why for each of the
    latter two, and `kinds` gives the original class of every name.
    """

    scheme: str
    converted: list[str] = field(default_factory=list)
    """Layers that pad by the scheme now, whether or not they did before."""
    left: list[str] = field(default_factory=list)
    """What pads too, and is no zero-padded convolution: it keeps its ways, as the paper's networks do."""
    unsupported: list[str] = field(default_factory=list)
    """What feeds zeros to a convolution in a way that cannot be converted: it still pads with zeros."""
    reasons: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict:
        """The report as JSON can hold it."""
        return {
            "scheme": self.scheme,
            "converted": list(self.converted),
            "left": list(self.left),
            "unsupported": list(self.unsupported),
            "reasons": dict(self.reasons),
            "kinds": dict(self.kinds),
        }

    def __str__(self) -> str:
        lines = [f"padding '{self.scheme}': {self._counted(self.converted) or 'nothing'} converted"]
        if self.left:
            lines.append(f"left as they are: {self._counted(self.left)}")
        lines += self._grouped("left", self.left)
        if self.unsupported:
            lines.append(f"NOT CONVERTED, still padded with zeros: {self._counted(self.unsupported)}")
        lines += self._grouped("unsupported", self.unsupported)
        return "\n".join(lines)

    def _counted(self, names: list[str]) -> str:
        counts = Counter(self.kinds[name] for name in names)
        return ", ".join(f"{number} {kind}" for kind, number in counts.items())

    def _grouped(self, title: str, names: list[str]) -> list[str]:
        by_reason: dict[str, list[str]] = {}
        for name in names:
            by_reason.setdefault(self.reasons[name], []).append(name or "(the model itself)")
        return [f"  {title}: {_shortened(members)}: {reason}" for reason, members in by_reason.items()]


def _shortened(names: list[str], shown: int = 3) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more

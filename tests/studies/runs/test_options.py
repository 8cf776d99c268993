"""The command line of a function."""

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest
from jsonargparse.typing import PositiveInt

from records.errors import UserError
from studies.runs.options import Argument, run


@dataclass
class Base:
    """Shared.

    Attributes:
        folder: where they are
        data_root: inherited
    """

    folder: Path | None = None
    _: KW_ONLY
    data_root: Path | None = None


@dataclass
class Shared(Base):
    """Shared, and more.

    Attributes:
        pictures: how many
    """

    _: KW_ONLY
    pictures: Annotated[PositiveInt, Argument(nargs="?", const=3)] | None = None


def command(
    shared: Shared,
    *more: str,
    names: tuple[str, ...] = ("a", "b"),
    percent: list[float] | None = None,
    mode: Literal["fast", "slow"] = "fast",
    kernel: Literal[3, 5] = 3,
    channels_last: bool = False,
) -> int:
    """What it does.

    At length: 100 %.

    Args:
        names: of networks
        percent: in %
        mode: how; default: as it likes
        kernel: of a layer
        channels_last: or first
    """
    return shared, more, names, percent, mode, kernel, channels_last


def call(text: str):
    return run("command", command, text.split())


def test_defaults():
    assert call("") == (Shared(), (), ["a", "b"], None, "fast", 3, False)


def test_everything():
    text = "runs --pictures --data-root . --names 1e3 null --percent 5 6.5 --model.lr=1 --mode slow --kernel 5"
    shared = Shared(Path("runs"), data_root=Path("."), pictures=3)
    found = call(f"{text} --channels-last")
    assert found == (shared, ("--model.lr=1",), ["1e3", "null"], [5.0, 6.5], "slow", 5, True)
    assert call("--pictures 7")[0].pictures == 7


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("--pictures 0", ["--pictures", "0", ">0"]),
        ("--channels", ["--channels"]),
        ("--model.lr 1", ["--model.lr"]),
        ("--names", ["--names"]),
        ("runs more", ["more"]),
    ],
)
def test_one_line_names_option_and_value(text, words):
    with pytest.raises(UserError) as raised:
        call(text)
    message = str(raised.value)
    assert all(word in message for word in words)
    assert "\n" not in message
    assert "main.py command --help" in message


def test_help(capsys):
    with pytest.raises(SystemExit, match="0"):
        call("--help")
    shown = " ".join(capsys.readouterr().out.split())
    for words in (
        "usage: main.py command",
        "What it does. At length: 100 %.",
        "FOLDER where they are",
        "--data-root PATH inherited",
        "--names NAME [NAME ...] of networks; default: a b",
        "--percent X [X ...] in % --mode {fast,slow} how; default: as it likes",
        "--kernel {3,5} of a layer; default: 3",
        "--channels-last or first",
    ):
        assert words in shown

"""Kills random runs at random moments, resumes them, and compares their ends with those of runs left alone.

usage: python -m tests.support.kill_many [--minutes N | --cases N] [--seed S] [--keep FOLDER]

A case is a random configuration (task, workers, processes, W&B, what ends it, accumulation, validation, checkpoints)
and one to three interruptions: SIGKILL, SIGTERM, SIGINT or SIGUSR1, to the first process or to the whole group, at any
moment of its life. After the last one the same command runs to its end. A case

survived    ended like the run that was left alone, bit for bit (tests/support/same_end.py)
differing   ended otherwise: in weights, optimiser, rows, or the epochs kept
refused     did not start again, or failed without having been interrupted
disorderly  ended after a signal with another status than 128 + the signal's number, or left a process behind
hung        did not end within `patience`

The exit status is 0 if every case survived. `--seed S --cases 1` repeats one case; the moment of a kill is a share of
the run's own time, so it falls near the same place, not on the same instruction.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

# Before torch and wandb are imported: one thread keeps forks safe and sums in one order; nothing leaves the machine.
HERMETIC = {"WANDB_MODE": "offline", "WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true", "OMP_NUM_THREADS": "1"}
os.environ.update(HERMETIC)

from datamodules.samples import cityscapes, imagenet  # noqa: E402
from tests.support.forked import begin  # noqa: E402
from tests.support.program import ROOT, SMALL, SMALL_SCENES, only_run  # noqa: E402
from tests.support.same_end import assert_same_end  # noqa: E402

SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
AVERAGING = "[{class_path: pytorch_lightning.callbacks.EMAWeightAveraging, init_args: {decay: 0.9}}]"
MOST = 3
"""Interruptions of one run."""


@dataclass(frozen=True)
class Interruption:
    """A signal to one process or all, at a share of the time that the undisturbed run takes.

    `fresh` starts the interpreter anew, so that the signal may meet imports; otherwise this process is forked, which
    saves their seconds.
    """

    number: signal.Signals
    to_all: bool
    share: float
    fresh: bool

    def __str__(self) -> str:
        return (
            f"{self.number.name}{' to all' if self.to_all else ''} at {self.share:.2f}{' fresh' if self.fresh else ''}"
        )


@dataclass(frozen=True)
class Case:
    scenes: bool
    options: tuple[str, ...]
    interruptions: tuple[Interruption, ...]

    def command(self, trees: dict[bool, Path], root: Path) -> list[str]:
        small = SMALL_SCENES if self.scenes else SMALL
        return ["fit", *small, *self.options, f"--data.root={trees[self.scenes]}", f"--run.root={root}"]


def draw(seed: int) -> Case:
    """The case of a number."""
    chance = random.Random(seed)
    scenes = chance.random() < 0.3
    options = ["--model.padding=partial", f"--run.checkpoint_every_n_steps={chance.choice((0, 1, 2, 5))}"]
    # 6 batches an epoch of scenes, 8 of images.
    options += ["--data.crop_size=48", "--data.batch_size=2", "--trainer.limit_train_batches=6"] if scenes else []
    options += [] if scenes else ["--model.network_args={drop_rate: 0.3}"]
    options += [f"--data.num_workers={chance.choice((0, 2))}"]
    options += ["--trainer.devices=2", "--trainer.strategy=ddp"] if chance.random() < 0.25 else []
    options += [] if chance.random() < 0.3 else ["--trainer.logger=false"]
    steps = [f"--trainer.max_steps={chance.randrange(2, 20)}", "--trainer.max_epochs=50"]
    options += chance.choice((["--trainer.max_epochs=3"], ["--trainer.max_epochs=4"], steps, steps))
    options += [f"--trainer.accumulate_grad_batches={chance.choice((1, 1, 2, 3))}"]
    within = "--trainer.check_val_every_n_epoch=null"
    validations = ([], ["check_val_every_n_epoch=2"], ["val_check_interval=0.5"], ["val_check_interval=3"])
    options += [f"--trainer.{option}" for option in chance.choice(validations)]
    options += ["--trainer.val_check_interval=10", within] if chance.random() < 0.1 else []
    options += ["--trainer.limit_val_batches=2"] if chance.random() < 0.3 else []
    if chance.random() < 0.25:
        options += ["--optimizer=AdamW", "--optimizer.lr=0.001", "--lr_scheduler=lightning_modules.WarmupCosine"]
        options += ["--lr_scheduler.epochs=4", "--lr_scheduler.warmup=1"]
        options += [f"--trainer.callbacks={AVERAGING}"]
        options += [] if scenes else ["--model.mixup=0.2", "--model.cutmix=1.0", "--model.label_smoothing=0.1"]
    return Case(scenes, tuple(options), tuple(_interruption(chance) for _ in range(chance.randint(1, MOST))))


def _interruption(chance: random.Random) -> Interruption:
    return Interruption(chance.choice(SIGNALS), chance.random() < 0.5, chance.random(), chance.random() < 0.2)


class HungError(Exception):
    """A process that did not end."""


class Attempt:
    """One start of the program in a process group of its own; what it prints goes to `log`."""

    def __init__(self, command: list[str], log: Path, fresh: bool) -> None:
        self.log = log
        self.begun = time.monotonic()
        self._status: int | None = None
        self.pid = _started(command, log) if fresh else begin("main.py", command, str(log), dict(os.environ))

    def poll(self) -> int | None:
        """The exit status, negative for a signal that ended the process, or None while it runs."""
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._status = os.waitstatus_to_exitcode(status) if pid else None
        return self._status

    def wait(self, seconds: float) -> int:
        until = self.begun + seconds
        while (status := self.poll()) is None:
            if time.monotonic() > until:
                raise HungError("the first process did not end")
            time.sleep(0.005)
        return status

    def interrupt(self, interruption: Interruption, after: float) -> bool:
        """Sends the signal `after` seconds from the start; returns whether the process still lived."""
        while time.monotonic() < self.begun + after:
            if self.poll() is not None:
                return False
            time.sleep(0.001)
        if self.poll() is not None:
            return False
        send = os.killpg if interruption.to_all else os.kill
        with contextlib.suppress(ProcessLookupError):
            send(self.pid, interruption.number)
        return True

    def left_behind(self, seconds: float) -> bool:
        """Whether a process of the group is alive `seconds` after the first one's end."""
        until = time.monotonic() + seconds
        while _group_lives(self.pid):
            if time.monotonic() > until:
                return True
            time.sleep(0.02)
        return False

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.poll()


def _started(command: list[str], log: Path) -> int:
    arguments = [sys.executable, "-u", "main.py", *command]
    with open(log, "ab") as output:
        return subprocess.Popen(arguments, cwd=ROOT, stdout=output, stderr=output, start_new_session=True).pid


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def judge(case: Case, trees: dict[bool, Path], folder: Path, patience: float = 300) -> tuple[str, str]:
    """Runs a case below `folder`; returns its verdict, as listed above, and the reason where it did not survive."""
    begun = time.monotonic()
    if (found := _to_the_end(case.command(trees, folder / "alone"), folder / "alone.txt", patience))[0]:
        return found[0], f"left alone: {found[1]}"
    seconds, command = time.monotonic() - begun, case.command(trees, folder / "killed")
    for interruption in case.interruptions:
        if (found := _interrupted(command, interruption, folder, seconds, patience))[0]:
            return found
    if (found := _to_the_end(command, folder / "killed.txt", patience))[0]:
        return found[0], f"resumed: {found[1]}"
    try:
        assert_same_end(*(only_run(folder / name) for name in ("alone", "killed")))
    except AssertionError as error:
        return "differing", str(error).splitlines()[0]
    return "survived", ""


def _to_the_end(command: list[str], log: Path, patience: float) -> tuple[str, str]:
    """Starts the run; the verdict is empty where it came to its end."""
    attempt = Attempt(command, log, fresh=False)
    try:
        status = attempt.wait(patience)
    except HungError as error:
        return "hung", str(error)
    finally:
        attempt.end()
    return ("refused", f"status {status}: {_last_line(log)}") if status else ("", "")


def _interrupted(
    command: list[str], interruption: Interruption, folder: Path, seconds: float, patience: float
) -> tuple[str, str]:
    """Starts the run and interrupts it; the verdict is empty where all went as it should."""
    attempt = Attempt(command, folder / "killed.txt", interruption.fresh)
    # A fresh interpreter spends seconds on imports first, and may be killed there, too.
    seconds += 6 if interruption.fresh else 0
    try:
        alive = attempt.interrupt(interruption, interruption.share * seconds)
        status = attempt.wait(patience)
        # Where the first process alone was killed, the others must notice by themselves.
        if attempt.left_behind(patience):
            return "disorderly", f"{interruption}: a process outlived the run"
    except HungError as error:
        return "hung", f"{interruption}: {error}"
    finally:
        attempt.end()
    number = interruption.number
    ended_by_signal = alive and status in (128 + number, -number)
    if ended_by_signal or (status == 0 and only_run(folder / "killed").read_record().finished):
        return "", ""
    kind = "disorderly" if alive else "refused"
    return kind, f"{interruption}: status {status}: {_last_line(attempt.log)}"


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it printed nothing"


def make_trees(folder: Path) -> dict[bool, Path]:
    """Drawn images: of street scenes under True, of single things under False."""
    trees = {True: folder / "streets", False: folder / "images"}
    cityscapes.make(trees[True], images_per_city=1)
    imagenet.make(trees[False], train_per_class=13, val_per_class=5)
    return trees


def main() -> int:
    parser = argparse.ArgumentParser("kill_many", description=__doc__.splitlines()[0])
    many = parser.add_mutually_exclusive_group()
    many.add_argument("--minutes", type=float, help="go on for so long")
    many.add_argument("--cases", type=int, default=10, help="so many cases")
    parser.add_argument("--seed", type=int, default=0, help="of the first case; the next ones count up")
    parser.add_argument("--keep", type=Path, help="folder for the data and the runs of cases that did not survive")
    options = parser.parse_args()
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
    # W&B would read the settings of whoever runs this.
    home = Path(tempfile.mkdtemp(prefix="kill_many-", dir=options.keep))
    os.environ.update({f"WANDB_{name}_DIR": str(home / "wandb") for name in ("CONFIG", "CACHE", "DATA")})
    trees = make_trees(home)
    until = time.monotonic() + 60 * options.minutes if options.minutes else None
    verdicts: Counter[str] = Counter()
    seed = options.seed
    while time.monotonic() < until if until else seed < options.seed + options.cases:
        case, folder = draw(seed), home / f"case{seed}"
        folder.mkdir()
        verdict, reason = judge(case, trees, folder)
        verdicts[verdict] += 1
        what = f"{'scenes' if case.scenes else 'images'} {' '.join(case.options[1:])}"
        print(f"{seed} {verdict}: {what}; {', '.join(map(str, case.interruptions))}", flush=True)
        if reason:
            print(f"    {reason}\n    kept in {folder}", flush=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)
        seed += 1
    names = ("survived", "differing", "refused", "disorderly", "hung")
    print(f"{sum(verdicts.values())} cases: {', '.join(f'{verdicts[name]} {name}' for name in names)}")
    failed = set(verdicts) != {"survived"}
    if not failed and options.keep is None:
        shutil.rmtree(home, ignore_errors=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

"""Run folders made up for the studies' tests, written with the same code as real ones."""

import pytest
import yaml

from records import RunFolder, RunRecord


@pytest.fixture
def make_run(tmp_path):
    """Writes a run folder below `tmp_path / "runs"` and returns it; `values` are those of `monitor` by epoch."""

    def make(network="resnet18", padding="zero", seed=0, values=(10.0, 20.0), config=None, folder=None, **fields):
        name = f"{network}-{padding}-seed{seed}"
        run = RunFolder(tmp_path / "runs" / (folder or name))
        record = {
            "id": name,
            "name": name,
            "group": f"{network}-{padding}",
            "network": network,
            "padding": padding,
            "seed": seed,
            "max_epochs": len(values),
            "monitor": "val/acc1",
            "finished": True,
            **fields,
        }
        run.write_record(RunRecord(**record))
        monitor = record["monitor"]
        run.write_rows([{"epoch": epoch, "step": epoch + 1, monitor: value} for epoch, value in enumerate(values)])
        settings = {"network": network, "padding": padding, "lr": 0.1}
        base = {"seed_everything": seed, "model": {"init_args": settings}, "run": {"root": str(run.path)}}
        run.config.write_text(yaml.safe_dump({**base, **(config or {})}))
        return run

    return make

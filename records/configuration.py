"""Finds the settings of a configuration that decide the run's result, and compares two configurations by them."""

import hashlib
import json
from functools import cache
from typing import Any

NOT_DECIDING = (
    "config",
    "ckpt_path",
    "weights_only",
    "run",
    "convergence",
    "prediction",
    "model.init_args.evaluation",
    "model.init_args.mask_rule",
    "trainer.accelerator",
    "trainer.strategy",
    "trainer.devices",
    "trainer.num_nodes",
    "trainer.logger",
    "trainer.profiler",
    "trainer.max_time",
    "trainer.default_root_dir",
    "trainer.log_every_n_steps",
    "trainer.enable_checkpointing",
    "trainer.enable_progress_bar",
    "trainer.enable_model_summary",
    "trainer.enable_autolog_hparams",
    "data.init_args.root",
    "data.init_args.num_workers",
    "data.init_args.cache",
    "data.init_args.cache_index",
    "data.init_args.loader_timeout",
    "data.init_args.on_damaged",
    "data.init_args.max_skipped",
    "data.init_args.eval_batch_size",
    "data.init_args.predict_folder",
    "data.init_args.eval_padded",
    "data.init_args.padded_side",
    "data.init_args.padded_batch_size",
)
"""Keys, with all keys below them, that do not decide a run's result and so do not count for its identity.

They change where or how fast a run computes, or what it shows. `eval_batch_size` changes the last digits of metrics,
because a forward pass rounds differently for another number of images; so a resume refuses to change it.
"""


def deciding(config: dict[str, Any]) -> dict[str, Any]:
    """Returns the settings that decide a run's result: dotted name to value.

    Settings that are None are left out, so that a later version can add an option without making earlier runs differ.
    """
    return {key: value for key, value in flatten(config).items() if value is not None and not _is_free(key)}


def settings_digest(config: dict[str, Any]) -> str:
    """SHA-1 (40 hex digits) of the settings that decide a run's result."""
    # Sorted: the order of options must not change the id of a run.
    return hashlib.sha1(json.dumps(deciding(config), sort_keys=True, default=str).encode()).hexdigest()


def differences(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[str]:
    """Lists the deciding settings in which the configuration `new` differs from `old`, as `key: old -> new`.

    Options that did not exist yet when `old` was written do not count; keys of a mapping that is an option's value,
    such as `network_args`, do.
    """
    lines = []
    for key in filter(lambda key: not _is_free(f"{prefix}{key}"), sorted(old, key=str)):
        before, now = (None if config.get(key) == {} else config.get(key) for config in (old, new))
        both = isinstance(before, dict) and isinstance(now, dict)
        if both and (not prefix or key == "init_args" or "class_path" in before):
            lines += differences(before, now, f"{prefix}{key}.")
        elif before != now:
            lines.append(f"{prefix}{key}: {_shown(before)} -> {_shown(now)}")
    return lines


def _shown(value: Any) -> Any:
    return value.get("class_path", value) if isinstance(value, dict) else value


def flatten(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Joins nested keys by dots; an empty dictionary counts as None."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = None if value == {} else value
    return flat


# Cached: this saves 2.4 of 18 CPU seconds of `sweep --plan` for 10,000 points.
@cache
def _is_free(key: str) -> bool:
    return any(key == parent or key.startswith(f"{parent}.") for parent in NOT_DECIDING)

"""Runs fit, validate, test and predict: LightningCLI with a folder for every run."""

import contextlib
import logging
import sys
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import yaml
from jsonargparse import ArgumentError
from pytorch_lightning.callbacks import Callback, LearningRateMonitor
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from lightning_modules import ClassificationModule, SegmentationModule
from lightning_modules.padded_network import check_scheme, look_in, one_line
from processes.launcher import end_together
from records import RunFolder, RunRecord
from records.atomic import check_writable
from records.configuration import flatten
from records.errors import UserError, is_for_users
from training import callbacks
from training.checkpoint_files import RESUME_PATTERN, AtomicCheckpointIO
from training.checks.arguments import (
    as_list,
    check_checkpoint,
    check_fits,
    check_module,
    check_seed,
    configurations_first,
    download_nothing,
    keep_counts,
    write_out_defaults,
)
from training.checks.parser_errors import readable
from training.checks.sources import Sources
from training.checks.trainer import (
    check_loop,
    check_monitors,
    check_ranges,
    check_tuners,
    guarded,
    name_class,
    name_settings,
    naming_monitors,
)
from training.cluster import check_cores, check_tasks, choose_meeting, slurm_plugins
from training.evaluation_record import check_keeping, keep_and_print, keep_validation, keeps_validation
from training.identity import find_again, identify, refuse_id_of_another
from training.loggers import check_places, keep_earlier_files, of_evaluation, of_run, wandb_logger
from training.loops import install_loops
from training.resume import KeyedRandomness, MetricState, ResumeCheckpoint, SameRecipe
from training.settings import ConvergenceSettings, PredictionSettings, RunSettings
from training.start import check_data, initial_weights, is_finished, leaving_nothing, prepare, write_attempt

CLASSES = {"model": "lightning_modules.ClassificationModule", "data": "datamodules.ImageNetDataModule"}
"""What is trained unless the arguments choose another class."""

# Sanity validation would only obscure where a resumed run begins. The data modules make their own samplers.
TRAINER_DEFAULTS = {"num_sanity_val_steps": 0, "use_distributed_sampler": False, "enable_model_summary": False}


def main(arguments: list[str]) -> int:
    """Runs a training subcommand; `arguments` begins with its name. Returns the exit status."""
    filter_noise()
    ExperimentCLI(arguments)
    return 0


def parse(arguments: list[str]) -> dict[str, Any]:
    """Resolves `arguments` to a configuration of plain values, without building anything.

    Raises:
        UserError: if an argument or a configuration file is invalid.
    """
    return ParserOnly(arguments).plain_config()


class ExperimentCLI(LightningCLI):
    """LightningCLI whose `fit` works in a run folder, finds it again by a stable id, and resumes the run in it."""

    def __init__(self, arguments: list[str]) -> None:
        arguments = configurations_first(arguments)
        self.run_folder: RunFolder | None = None
        self.run_record: RunRecord | None = None
        self.finished = False
        self.sources: Sources | None = None
        self.stop = callbacks.StopSignal()
        # Only this subcommand's parser: the others would take three quarters of the time, at each point of a sweep.
        self.subcommands = lambda: {arguments[0]: LightningCLI.subcommands()[arguments[0]]}
        # An abbreviation would stop working, or change its meaning, once another option that begins so is added.
        parser_settings = {"exit_on_error": False, "allow_abbrev": False}
        try:
            super().__init__(
                pl.LightningModule,
                pl.LightningDataModule,
                subclass_mode_model=True,
                subclass_mode_data=True,
                save_config_callback=None,
                seed_everything_default=0,
                trainer_defaults=TRAINER_DEFAULTS,
                parser_kwargs=parser_settings | {name: dict(parser_settings) for name in self.subcommands()},
                args=arguments,
            )
        except Exception as error:
            if self.sources and is_for_users(error):
                error.args = (self.sources.located(str(error)),)
            raise

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_class_arguments(RunSettings, "run")
        parser.add_class_arguments(ConvergenceSettings, "convergence")
        parser.add_class_arguments(PredictionSettings, "prediction")
        parser.link_arguments("seed_everything", "data.init_args.seed", compute_fn=int)

    def parse_arguments(self, parser: LightningArgumentParser, args: list[str]) -> None:
        self.sources = Sources(args)
        try:
            # As arguments: as the parser's defaults, their own defaults would override those of a chosen class.
            classes = [f"--{group}={kind}" for group, kind in CLASSES.items()]
            if {"--help", "-h"} & {*args}:
                self._parser(args[0]).set_defaults({group: {"class_path": kind} for group, kind in CLASSES.items()})
            self.config = parser.parse_args([args[0], *classes, *args[1:]])
        except ArgumentError as error:
            options = [action.dest for action in self._parser(args[0])._actions]
            said = readable(str(error), self.sources, options)
            raise UserError(f"{said} (python main.py {args[0]} {self._help_of(said)} lists the options)") from error
        check_module(self.config[self.config.subcommand].model.class_path)
        model = self.config[self.config.subcommand].model.get("init_args") or {}
        # A user's scheme file may be in the folder of the checkpoint's run; the run folder of `fit` is known later.
        checkpoint = self.config[self.config.subcommand].ckpt_path
        look_in([Path(checkpoint).parent.parent] if checkpoint else [])
        for option in ("padding", "padding_at_test"):
            if model.get(option) is not None:
                # Patterns become their one-line name, which keeps their order (the first match counts): the settings
                # digest sorts the keys of a mapping.
                model[option] = one_line(model[option])
                if ".py:" not in model[option]:
                    model[option] = check_scheme(option, model[option])
        check_seed(self.config[self.config.subcommand].seed_everything, self.sources)
        keep_counts(self.config[self.config.subcommand].trainer, self.sources)
        write_out_defaults(self.config[self.config.subcommand].trainer)

    def _help_of(self, said: str) -> str:
        """Returns the help option to name in a message: each class of model or data has a help of its own."""
        group = said.partition(".")[0]
        key, default = f"{group}.class_path", CLASSES.get(group)
        chosen = self.sources.given.get(key) or self.sources.texts.get(key) or default
        return f"--{group}.help={chosen}" if default else "--help"

    def _parse_ckpt_path(self) -> None:
        # Lightning's method lets the checkpoint's hyperparameters, such as the padding scheme, silently override the
        # command line. Here the scheme is compared instead (PaddedNetworkModule.on_load_checkpoint).
        return

    def plain_config(self) -> dict[str, Any]:
        """The resolved configuration of the subcommand, in plain values as in YAML."""
        self._dump_config()
        return yaml.safe_load(yaml.safe_dump(self.config_dump))

    def before_instantiate_classes(self) -> None:
        chosen = self.config[self.subcommand]
        check_ranges(self.subcommand, vars(chosen.trainer))
        if chosen.lr_scheduler and not chosen.optimizer:
            raise UserError(
                "lr_scheduler is set without optimizer, so the model's own recipe would run; say --optimizer=CLASS, "
                "too, such as SGD"
            )
        if self.subcommand == "fit" and not self.config.fit.trainer.fast_dev_run:
            config = self.plain_config()
            self.run_folder, self.run_record = find_again(*identify(config))
            refuse_id_of_another(self.run_folder, self.run_record)
            look_in([self.run_folder.path])
            there = self.run_folder.path.is_dir()
            self.finished = there and is_finished(self.run_folder, self.run_record, config, chosen.ckpt_path)
            # Only for unfinished runs: a finished one may be in a read-only archive.
            if not self.finished:
                check_writable(self.run_folder.path, "choose another --run.root")
            # A run that began from a file, as is_finished has seen, goes on without it. While the file is there, it
            # stays what the run starts from if its own checkpoints are damaged.
            gone = chosen.ckpt_path and not Path(chosen.ckpt_path).is_file()
            if gone and any(self.run_folder.checkpoints.glob(RESUME_PATTERN)):
                chosen.ckpt_path = None
        check_checkpoint(self.subcommand, chosen.ckpt_path, vars(chosen.model.init_args))
        if self.subcommand != "fit" and chosen.ckpt_path:
            download_nothing(chosen.model.init_args)

    def instantiate_classes(self) -> None:
        if self.finished:
            return
        guarded(super().instantiate_classes, name_class(flatten(self.plain_config())))

    def _run_subcommand(self, subcommand: str) -> None:
        if self.finished:
            return
        with contextlib.ExitStack() as stack:
            if self.run_folder:
                stack.enter_context(leaving_nothing(self.run_folder))
            if chosen := self.config[subcommand].ckpt_path:
                check_fits(self.model, chosen)
            named = name_settings(vars(self._get(self.config_init, "trainer")))
            guarded(partial(super()._run_subcommand, subcommand), named, MisconfigurationException)

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        chosen = self._get(self.config_init, "trainer")
        keep_counts(chosen, self.sources)  # again: building the objects converts the values by the same types
        show_bar = chosen.enable_progress_bar is not False and sys.stdout.isatty()
        plugins = as_list(chosen.plugins)
        slurm = slurm_plugins(plugins)
        settings: dict[str, Any] = {
            "callbacks": [*as_list(chosen.callbacks), *self._own_callbacks(show_bar)],
            "plugins": [*plugins, *slurm, AtomicCheckpointIO()],
            "logger": self._logger(chosen.logger),
            "enable_progress_bar": show_bar,
        }
        if self.subcommand == "predict":
            # One process, so that the predictions are written in order.
            settings |= {"devices": 1, "num_nodes": 1, "strategy": "auto"}
        if self.run_folder is None:
            settings["enable_checkpointing"] = False
        choose_meeting(chosen.num_nodes)
        build = partial(super().instantiate_trainer, **{**kwargs, **settings})
        trainer = guarded(build, name_settings(vars(chosen)))
        install_loops(trainer)
        if slurm:
            check_tasks(trainer)
        check_cores(trainer)
        end_together(trainer)
        return trainer

    def _own_callbacks(self, show_bar: bool) -> list[Callback]:
        bar: list[Callback] = [callbacks.ProgressBar()] if show_bar else []
        if self.subcommand == "predict":
            return [*bar, self.stop, callbacks.prediction_writer(self.model, self.config.predict.prediction)]
        if self.run_folder is None:
            return [*bar, self.stop]
        folder, record, seed = self.run_folder, self.run_record, self.config.fit.seed_everything
        run, recorder = self.config.fit.run, callbacks.RunRecorder(folder)
        self.recorder, self.dashboard = recorder, callbacks.Dashboard(recorder, record, self.plain_config())
        # The last ones are Checkpoints, whose order Lightning keeps: row, weights, resume checkpoint, dashboard.
        return [
            *bar,
            # Chosen loggers get the learning rate from the epochs' rows, so only the default logger needs this.
            *([LearningRateMonitor("epoch")] if self.config.fit.trainer.logger in (None, True) else []),
            *([SameRecipe()] if self.config.fit.ckpt_path else []),
            KeyedRandomness(seed),
            MetricState(),
            callbacks.SkippedImages(folder),
            callbacks.FiniteLoss(folder.checkpoints, self.config.fit.run.on_nan),
            self.stop,
            recorder,
            *([] if bar else [callbacks.EpochLines(recorder)]),
            *callbacks.best_and_last_epochs(recorder, record.monitor),
            ResumeCheckpoint(folder.checkpoints, run.checkpoint_every_n_steps, self.stop, run.checkpoint_every_minutes),
            self.dashboard,
        ]

    def _logger(self, chosen: Any) -> Any:
        if chosen in (None, True):
            return wandb_logger(self.run_folder, self.run_record) if self.run_folder else False
        folder, record = self.run_folder, self.run_record
        loggers = [
            of_run(each, folder, record) if folder else of_evaluation(each, self.subcommand)
            for each in as_list(chosen or None)
        ]
        check_places(loggers)
        return loggers

    def check_settings(self) -> None:
        """Checks data, network and trainer; raises an error for the user if anything is wrong."""
        self.datamodule.trainer = self.trainer  # the checks of batches need its number of processes
        self.datamodule.check("fit")
        self.model.check("fit", self.datamodule)
        # On the CPU, where the network still is: takes tenths of a second, seconds for crops of street scenes. In the
        # check of a sweep the network is on the meta device.
        image = self.datamodule.train_set()[0, 0][0]
        self.model.try_on(image[None].to(next(self.model.parameters()).device).float() / 255)
        batches = len(self.datamodule.train_dataloader()), len(self.datamodule.val_dataloader())
        check_tuners(self.trainer)
        check_loop(self.trainer, *batches, self.config.fit.trainer.overfit_batches)
        if type(self.model) in (ClassificationModule, SegmentationModule):  # a user's class may log other metrics
            check_monitors(self.trainer, self.model.metrics(getattr(self.datamodule, "class_names", ())))

    def before_fit(self) -> None:
        # Before there is a run folder or a W&B run.
        self.check_settings()
        if self.run_folder is None:
            return
        trainer = self.trainer
        facts = {"accelerator": trainer.strategy.root_device.type, "processes": trainer.world_size}
        chosen, config, files = self.config.fit.ckpt_path, self.plain_config(), None
        if hasattr(self.datamodule, "file_sets"):
            accept = self.datamodule.accept_changed_data = self.config.fit.run.accept_changed_data
            self.datamodule.noted_in = self.run_folder.path
            files, changed = check_data(self.run_folder, self.run_record, self.datamodule, accept)
            facts |= {"changed_data": changed} if changed else {}
        self.finished = is_finished(self.run_folder, self.run_record, config, chosen, same_data=True)
        if self.finished:
            return
        facts |= initial_weights(config) | ({"ckpt_path": str(Path(chosen).resolve())} if chosen else {})
        if chosen is None and not any(self.run_folder.checkpoints.glob(RESUME_PATTERN)):
            self.model.initialise()
        checkpoint = prepare(self.run_folder, chosen)
        for logger in trainer.loggers:
            self.dashboard.replaced += keep_earlier_files(logger, self.run_record)
        self.recorder.begin = partial(write_attempt, self.run_folder, self.run_record, config, files, checkpoint, facts)
        if checkpoint is not None:
            self.model.initialised = True
            # `config_init` reaches the Trainer; a change of `config` would be ignored in silence.
            self.config_init.fit.ckpt_path = str(checkpoint)
            self.config_init.fit.weights_only = True

    def fit(self, **kwargs: Any) -> None:
        # LightningCLI calls this even if `before_fit` found that there is nothing to do.
        if not self.finished:
            with naming_monitors(self.trainer):
                self.trainer.fit(**kwargs)

    def before_validate(self) -> None:
        chosen = self.config.validate.ckpt_path
        keeps = chosen and keeps_validation(self.trainer, self.model, self.datamodule)
        self.kept_of = Path(chosen) if keeps else None
        if self.kept_of:
            check_keeping(self.kept_of)

    def after_validate(self) -> None:
        if self.kept_of:
            keep_validation(self.model, self.datamodule, self.kept_of)

    def before_test(self) -> None:
        if isinstance(self.model, SegmentationModule):
            check_keeping(Path(self.config.test.ckpt_path))

    def after_test(self) -> None:
        if isinstance(self.model, SegmentationModule):
            keep_and_print(self.model, self.datamodule, Path(self.config.test.ckpt_path))


class ParserOnly(ExperimentCLI):
    """Parses the arguments and does nothing else."""

    def _set_seed(self) -> None:
        return

    def before_instantiate_classes(self) -> None:
        return

    def instantiate_classes(self) -> None:
        return

    def _run_subcommand(self, subcommand: str) -> None:
        return


def filter_noise() -> None:
    """Hides advertisements, and warnings about choices that this program makes on purpose."""
    # It logs each of ten attempts if pretrained weights cannot be downloaded.
    logging.getLogger("huggingface_hub.utils._http").setLevel(logging.ERROR)
    logging.getLogger("pytorch_lightning.utilities.rank_zero").addFilter(_is_no_tip)
    for message in (
        ".*ended before the epoch ended and your dataloader is not resumable.*",  # our sampler resumes exactly
        ".*sync_dist=True.*",  # the metrics are already summed over the processes
        ".*does not have many workers.*",
        ".*configure_optimizers` will be overridden by.*",  # the purpose of --optimizer
        ".*Checkpoint directory .* exists and is not empty.*",
        ".*smaller than the logging interval.*",
        ".*Previous log files in this directory will be deleted.*",  # a start writes them again
        ".*logger=True.*but have no logger configured.*",  # validate and test print these without a logger
        ".*isinstance\\(treespec, LeafSpec\\).*",  # Lightning's use of torch
    ):
        warnings.filterwarnings("ignore", message=message)


def _is_no_tip(record: logging.LogRecord) -> bool:
    return "Tip:" not in record.getMessage()


@contextlib.contextmanager
def quiet_lightning() -> Iterator[None]:
    """Hides Lightning's messages below warnings: it prints the devices for every trainer."""
    filter_noise()
    logger = logging.getLogger("pytorch_lightning.utilities.rank_zero")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)

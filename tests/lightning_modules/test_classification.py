"""The classification module: the recipe of section 4.1, exact sums, and a checkpoint that knows its scheme."""

import functools

import pytest
import torch
from torch.nn.functional import cross_entropy, one_hot

import datamodules
from lightning_modules import ClassificationModule, ModelError
from lightning_modules.classification import IGNORED_TARGET


class Fixed(torch.nn.Module):
    """Gives out prepared logits, whatever the images."""

    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, images):
        return self.logits


def module(**changes):
    return ClassificationModule(**{"network": "cifar_resnet10", "padding": "partial", "num_classes": 10, **changes})


def test_recipe_of_section_4_1():
    built = ClassificationModule("resnet50", "zero", 1000)
    settings = built.configure_optimizers()
    (group,) = settings["optimizer"].param_groups
    assert (group["lr"], group["momentum"], group["weight_decay"]) == (0.1, 0.9, 1e-4)
    assert sum(p.numel() for p in group["params"]) == 25_557_032
    rates = []
    for _ in range(100):
        rates.append(settings["optimizer"].param_groups[0]["lr"])
        settings["optimizer"].step()
        settings["lr_scheduler"]["scheduler"].step()
    assert rates == pytest.approx([0.1] * 30 + [0.01] * 30 + [0.001] * 30 + [0.0001] * 10)


def test_metrics_count_each_image_once_and_fillers_never():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(64, 10, generator=generator)
    targets = torch.randint(0, 10, (64,), generator=generator)
    built = module()
    for chosen in (slice(0, 40), slice(40, 64)):
        size = len(targets[chosen])
        # Two fillers in every batch, with logits that would be counted as right if they counted.
        built.network = Fixed(torch.cat([logits[chosen], torch.full((2, 10), 99.0)]))
        built.evaluation_step(
            (torch.zeros(size + 2, 3, 8, 8), torch.cat([targets[chosen], torch.tensor([IGNORED_TARGET] * 2)]))
        )
    built.network = Fixed(torch.zeros(1, 10))
    built.evaluation_step((torch.zeros(1, 3, 8, 8), torch.tensor([IGNORED_TARGET])))
    ranks = (logits > (logits * one_hot(targets, 10)).sum(1, keepdim=True)).sum(1)
    assert built.eval_metrics.acc1.compute() == pytest.approx((ranks < 1).float().mean().item())
    assert built.eval_metrics.acc5.compute() == pytest.approx((ranks < 5).float().mean().item())
    assert built.eval_metrics.loss.compute() == pytest.approx(cross_entropy(logits, targets).item(), rel=1e-5)


def test_the_filler_target_is_the_data_modules():
    assert datamodules.IGNORED_TARGET == IGNORED_TARGET


class OneBatch(torch.utils.data.Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return torch.full((3, 16, 16), float(index)), index


@pytest.fixture
def checkpoint(tmp_path, trainer):
    """A checkpoint trained with zero padding."""
    fitted = trainer(max_epochs=1)
    fitted.fit(module(padding="zero"), torch.utils.data.DataLoader(OneBatch(), batch_size=4))
    fitted.save_checkpoint(tmp_path / "zero.ckpt")
    return tmp_path / "zero.ckpt"


@pytest.fixture
def validate(trainer, checkpoint):
    """The loss of a module on the checkpoint's weights."""

    def run(**settings):
        loader = torch.utils.data.DataLoader(OneBatch(), batch_size=4)
        options = {"ckpt_path": str(checkpoint), "weights_only": True, "verbose": False}
        (result,) = trainer().validate(module(**settings), loader, **options)
        return result["val/loss"]

    return run


def test_another_scheme_is_refused_unless_cross_testing_is_asked_for(validate):
    with pytest.raises(ModelError, match=r"trained with zero padding.*padding_at_test=partial"):
        validate(padding="partial")
    own = validate(padding="zero")
    assert validate(padding="zero", padding_at_test="zero") == own
    assert validate(padding="zero", padding_at_test="partial") != own


def test_another_network_is_refused(validate):
    with pytest.raises(ModelError, match=r"holds cifar_resnet10, .* make cifar_vgg8_bn; give the model\.network"):
        validate(network="cifar_vgg8_bn", padding="zero")


def test_load_from_checkpoint_rebuilds_the_network(checkpoint):
    loaded = ClassificationModule.load_from_checkpoint(checkpoint, map_location="cpu", weights_only=True)
    assert (loaded.network_name, loaded.padding) == ("cifar_resnet10", "zero")


def test_a_compiled_network_cross_tests_and_keeps_its_keys(validate, monkeypatch):
    # Inductor would take half a minute for what is the same to the module.
    compiling = functools.partialmethod(torch.nn.Module.compile, backend="eager")
    monkeypatch.setattr(torch.nn.Module, "compile", compiling)
    eager = validate(padding="zero", padding_at_test="partial")
    compiled = validate(padding="zero", padding_at_test="partial", compile=True)
    assert compiled == pytest.approx(eager, rel=1e-4)

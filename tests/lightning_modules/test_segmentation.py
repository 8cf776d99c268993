"""The segmentation module: the recipe of section 4.2, exact sums, and what its checkpoints refuse."""

import gc
import math
from types import SimpleNamespace

import numpy as np
import pytest
import pytorch_lightning as pl
import timm
import torch
from timm.layers import BatchNormAct2d

from evaluation import class_iou, confusion_matrix
from lightning_modules import ClassificationModule, ModelError, SegmentationModule
from lightning_modules.pixel_metrics import IGNORED_PIXEL, pixel_loss
from lightning_modules.scene_evaluation import EvaluationSettings, SceneEvaluation
from lightning_modules.segmentation import synchronises
from training.loops import install_loops

SMALL = {"encoder": "tiny_resnet10", "padding": "partial", "num_classes": 4, "head_channels": 8, "skip_channels": 4}


def module(**changes):
    return SegmentationModule(**{**SMALL, **changes})


class Scenes(torch.utils.data.Dataset):
    """Noise with a class by its brightness; the last scene is a stand-in, whose pixels are all ignored."""

    def __init__(self, count=10, size=(24, 40), stand_in=False):
        generator = torch.Generator().manual_seed(0)
        self.images = torch.randn(count, 3, *size, generator=generator)
        self.targets = (self.images.mean(1) * 3 + 2).long().clamp(0, 3)
        self.targets[:, :2] = IGNORED_PIXEL
        if stand_in:
            self.targets[-1] = IGNORED_PIXEL

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index], self.targets[index]


def loader(batch_size=2, **settings):
    return torch.utils.data.DataLoader(Scenes(**settings), batch_size=batch_size)


class Rates(pl.Callback):
    """The learning rate that each step was made with, and the epochs that were validated."""

    def __init__(self):
        self.rates, self.validated = [], []

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        self.rates.append(optimizer.param_groups[0]["lr"])

    def on_validation_end(self, trainer, pl_module):
        self.validated.append((trainer.current_epoch, trainer.global_step))


def test_the_rate_falls_in_a_line_over_the_steps_and_the_last_step_is_validated(trainer):
    seen = Rates()
    fitted = trainer(seen, max_steps=7, max_epochs=50)
    install_loops(fitted)
    fitted.fit(module(lr=0.5), loader(), loader(1))
    assert seen.rates == pytest.approx([0.5 * (1 - step / 7) for step in range(7)])
    assert seen.validated == [(0, 5), (1, 7)]
    assert "val/miou" in fitted.callback_metrics


def test_recipe_of_section_4_2():
    built = SegmentationModule("tiny_resnet10")
    built._trainer = SimpleNamespace(estimated_stepping_batches=31_000, callbacks=[])
    settings = built.configure_optimizers()
    (group,) = settings["optimizer"].param_groups
    assert (group["lr"], group["momentum"], group["weight_decay"]) == (0.03, 0.9, 1e-4)
    assert len(group["params"]) == len(list(built.parameters()))
    schedule = settings["lr_scheduler"]["scheduler"]
    assert (schedule.total_iters, settings["lr_scheduler"]["interval"]) == (31_000, "step")


def test_a_run_without_end_has_no_rate(trainer):
    with pytest.raises(ModelError, match="max_steps"):
        trainer(max_epochs=-1).fit(module(), loader(), loader(1))


def test_the_loss_is_the_mean_over_the_pixels_that_count():
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(2, 4, 5, 6, generator=generator, dtype=torch.float64)
    targets = torch.randint(0, 4, (2, 5, 6), generator=generator)
    targets[0, :3] = IGNORED_PIXEL
    wanted = [
        math.log(sum(math.exp(v) for v in logits[n, :, y, x])) - logits[n, targets[n, y, x], y, x].item()
        for n, y, x in np.ndindex(2, 5, 6)
        if targets[n, y, x] != IGNORED_PIXEL
    ]
    loss, pixels = pixel_loss(logits, targets)
    assert pixels == len(wanted) == 42
    assert loss.item() == pytest.approx(sum(wanted) / 42, rel=1e-12)


def test_a_batch_without_labels_has_no_loss_and_no_gradient():
    logits = torch.randn(1, 4, 3, 3, requires_grad=True)
    loss, pixels = pixel_loss(logits, torch.full((1, 3, 3), IGNORED_PIXEL))
    loss.backward()
    assert (loss.item(), pixels.item()) == (0, 0)
    assert not logits.grad.any()


def test_the_epochs_loss_is_the_mean_over_its_pixels_not_over_its_batches(monkeypatch):
    built = module()
    monkeypatch.setattr(built, "log", lambda *_, **__: None)
    generator = torch.Generator().manual_seed(3)
    total = pixels = 0
    for labelled in (24, 3):
        images = torch.randn(2, 3, 24, 40, generator=generator)
        targets = torch.randint(0, 4, (2, 24, 40), generator=generator)
        targets[:, labelled:] = IGNORED_PIXEL
        count = 2 * labelled * 40
        total += built.training_step((images, targets)).item() * count
        pixels += count
    assert built.train_metrics.loss.compute() == pytest.approx(total / pixels, rel=1e-5)


class Fixed(torch.nn.Module):
    """Gives out prepared class maps, one call after the other, as logits."""

    def __init__(self, predictions):
        super().__init__()
        self.predictions, self.calls = predictions, 0

    def forward(self, images):
        assert len(images) == 1, "one image at a time"
        chosen = self.predictions[self.calls % len(self.predictions)]
        self.calls += 1
        return torch.nn.functional.one_hot(chosen, 4).permute(2, 0, 1)[None].float() * 9


def test_every_image_counts_once_and_stand_ins_never(trainer):
    data = Scenes(6, stand_in=True)
    generator = torch.Generator().manual_seed(2)
    # Class 3 is neither predicted nor there; class 2 is predicted and not there: it counts 0.
    data.targets[(data.targets >= 2) & (data.targets != IGNORED_PIXEL)] = 1
    predictions = [torch.randint(0, 3, (24, 40), generator=generator) for _ in range(6)]
    built = module()
    built.network, built.tried = Fixed(predictions), True  # it counts its calls
    (result,) = trainer().validate(built, torch.utils.data.DataLoader(data, batch_size=1), verbose=False)
    wanted = 100 * class_iou(confusion_matrix(torch.stack(predictions[:5]), data.targets[:5], 4)[0])
    assert wanted[2] == 0
    assert [result[f"val/iou/{number}"] for number in range(3)] == pytest.approx(wanted[:3].tolist())
    assert "val/iou/3" not in result
    assert result["val/miou"] == pytest.approx(wanted[:3].mean().item())
    assert math.isfinite(result["val/loss"])


class Watching(torch.nn.Module):
    """Notes, at every call, how many tensors of the shape of an image's logits there are."""

    def __init__(self, *shape):
        super().__init__()
        self.shape, self.seen = shape, []

    def forward(self, images):
        gc.collect()
        tensors = [item for item in gc.get_objects() if isinstance(item, torch.Tensor)]
        self.seen.append(sum(t.shape[-3:] == self.shape and t.is_floating_point() for t in tensors))
        return torch.randn(1, 4, *images.shape[2:])


def test_testing_never_holds_more_than_one_images_logits():
    height, width = 24, 40
    built = module(evaluation=EvaluationSettings(overlaps=[0, "1/3", "1/2"]))
    built.scenes = SceneEvaluation(built.evaluation, 4)
    built.network = watching = Watching(4, height, width)
    gc.freeze()  # what is there already is not looked through at every call
    with torch.no_grad():
        built.test_step((torch.randn(1, 3, height, width), torch.randint(0, 4, (1, height, width))))
    gc.unfreeze()
    assert watching.seen[:2] == [0, 0], "the whole image, and the first tile"
    assert max(watching.seen) == 1, "the sum of the tiles so far"


def test_class_maps_of_predict_are_those_of_the_settings():
    built = module(evaluation=None).eval()
    image = torch.randn(3, 24, 40)
    with torch.no_grad():
        whole = built.network(image[None])[0].argmax(0)
        halves = [built.network(image[None, :, :, part])[0] for part in (slice(0, 24), slice(16, 40))]
    assert torch.equal(built.predict_classes(image).long(), whole)
    assert built.prediction_tiles(24, 40) == [(0, 0, 24, 40)]

    built.evaluation.predict_overlap = "0"
    summed = torch.zeros(4, 24, 40)
    summed[..., :24] += halves[0]
    summed[..., 16:] += halves[1]
    summed[..., 16:24] /= 2
    with torch.no_grad():
        assert torch.equal(built.predict_classes(image).long(), summed.argmax(0))
    assert [box[1] for box in built.prediction_tiles(24, 40)] == [0, 16]


def test_batch_normalisation_is_synchronised_on_gpus_only():
    assert synchronises(torch.device("cuda", 0), 2)
    assert not synchronises(torch.device("cpu"), 2)
    assert not synchronises(torch.device("cuda", 0), 1)


def test_on_gpus_every_batch_norm_of_the_module_becomes_synchronised(monkeypatch, trainer):
    monkeypatch.setattr("lightning_modules.segmentation.synchronises", lambda device, processes: True)
    built = module(encoder="regnety_002")  # its norms are fused with their activations
    before = [parameter for _, parameter in sorted(built.named_parameters())]
    trainer(max_steps=1).fit(built, loader())
    norms = [m for m in built.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    assert norms
    assert all(isinstance(m, torch.nn.SyncBatchNorm) for m in norms)
    after = [parameter for _, parameter in sorted(built.named_parameters())]
    assert all(a is b for a, b in zip(before, after, strict=True))
    fused = sum(isinstance(m, BatchNormAct2d) for m in timm.create_model("regnety_002", features_only=True).modules())
    assert sum(hasattr(m, "act") for m in norms) == fused > 0


@pytest.fixture
def checkpoint(tmp_path, trainer):
    fitted = trainer(max_steps=1)
    fitted.fit(module(padding="zero"), loader())
    fitted.save_checkpoint(tmp_path / "zero.ckpt")
    return tmp_path / "zero.ckpt"


def test_checkpoints_know_their_scheme_and_network(checkpoint, trainer):
    def validate(**settings):
        (result,) = trainer().validate(
            module(**settings), loader(1), ckpt_path=str(checkpoint), weights_only=True, verbose=False
        )
        return result["val/loss"]

    own = validate(padding="zero")
    assert validate(padding="zero", padding_at_test="partial") != own
    with pytest.raises(ModelError, match=r"trained with zero padding.*padding_at_test=partial"):
        validate(padding="partial")
    with pytest.raises(ModelError, match=r"deeplabv3plus-tiny_resnet10.*deeplabv3plus-cifar_resnet10"):
        validate(padding="zero", encoder="cifar_resnet10")
    with pytest.raises(ModelError, match=r"output stride 8.*output stride 16.*--model\.output_stride"):
        validate(padding="zero", output_stride=16)
    with pytest.raises(ModelError, match="atrous_rates"):
        validate(padding="zero", atrous_rates=[1, 2, 36])
    loaded = SegmentationModule.load_from_checkpoint(checkpoint, map_location="cpu", weights_only=True)
    assert (loaded.encoder, loaded.padding) == ("tiny_resnet10", "zero")


@pytest.fixture
def classifier(tmp_path):
    """A checkpoint of a classification run."""
    built = ClassificationModule("tiny_resnet10", "zero", 7)
    checkpoint = {"state_dict": built.state_dict(), "pytorch-lightning_version": pl.__version__}
    built.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, tmp_path / "classifier.ckpt")
    return tmp_path / "classifier.ckpt"


def test_encoder_weights_are_where_training_starts_and_only_there(tmp_path, classifier, trainer):
    weights = torch.load(classifier, weights_only=True)["state_dict"]["network.layer1.0.conv1.weight"]
    built = module(encoder_weights=str(classifier), lr=1e-30, weight_decay=0.0)
    inner = dict(built.network.encoder.named_parameters())["layer1.0.conv1.weight"]
    assert not torch.equal(inner, weights)
    fitted = trainer(max_steps=1)
    fitted.fit(built, loader())
    assert torch.equal(inner, weights)
    with torch.no_grad():
        inner.add_(1)
    fitted.save_checkpoint(tmp_path / "own.ckpt")
    again = module(encoder_weights=str(classifier), lr=1e-30, weight_decay=0.0)
    trainer(max_steps=2).fit(again, loader(), ckpt_path=str(tmp_path / "own.ckpt"), weights_only=True)
    resumed = dict(again.network.encoder.named_parameters())["layer1.0.conv1.weight"]
    assert torch.equal(resumed, weights + 1), "a resumed run must go on from its own weights"


def test_weights_that_cannot_be_used_are_refused(tmp_path, classifier, trainer):
    with pytest.raises(ModelError, match=r"model\.encoder_weights: .*absent\.ckpt"):
        module(encoder_weights=str(tmp_path / "absent.ckpt")).initialise()
    with pytest.raises(ModelError, match=r"--model\.encoder_weights"):
        trainer().validate(module(), loader(1), ckpt_path=str(classifier), weights_only=True, verbose=False)


def test_a_margin_is_not_evaluated_and_seen_under_valid_alone():
    """Under `valid` the far border's padding reaches less; without it the logits are those of the image cut."""
    torch.manual_seed(0)
    image = torch.randn(3, 24 + 256, 40 + 256)
    logits = {}
    for padding in ("zero", "replicate"):
        for scheme in (None, "valid"):
            torch.manual_seed(1)
            network = module(padding=padding, padding_at_test=scheme, atrous_rates=[1, 2, 3]).eval()
            network.margin = 128
            with torch.no_grad():
                logits[padding, scheme] = network._whole(image)
                if scheme is None:
                    assert torch.equal(logits[padding, scheme], network(image[None, :, 128:-128, 128:-128])[0])
    assert {tuple(each.shape) for each in logits.values()} == {(4, 24, 40)}
    apart = {
        scheme: float((logits["zero", scheme] - logits["replicate", scheme]).abs().max()) for scheme in (None, "valid")
    }
    assert apart["valid"] < 1e-4 < 1e-2 < apart[None]


def test_valid_needs_a_margin():
    network = module(padding_at_test="valid")
    for stage, margin in (("test", 0), ("predict", 8)):
        with pytest.raises(ModelError, match=r"padding_at_test is valid, .* --data.margin"):
            network.check(stage, SimpleNamespace(margin=margin))

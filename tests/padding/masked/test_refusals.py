"""What cannot be followed is refused, by name; nothing is guessed."""

import threading

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import nn

from padding import PaddingError, PartialConv2d, UnfollowableError, convert_padding, forward_masked, forward_singly
from tests.support.masked_nets import Function

SIZES = [(12, 20), (17, 9)]


def _write(x):
    x[:, :, 0] = 0
    return x


def _in_a_thread(x):
    results = []
    thread = threading.Thread(target=lambda: results.append(x * 2))
    thread.start()
    thread.join()
    return results[0] + x


def pooled(x):
    return x.mean((2, 3))


def _tokens(x):
    return F.adaptive_avg_pool2d(x, 3).flatten(2).transpose(1, 2)


REFUSED = {
    "no rule": (lambda x: torch.fft.fft2(x).real, r"torch.fft.fft2 on \(2, 4, 20, 22\): there is no rule"),
    "values written": (_write, "torch.Tensor.__setitem__"),
    "another thread": (_in_a_thread, "unknown origin"),
    "one number": (lambda x: x * float(x.amax()), "Tensor.amax.*all images"),
    "written by sizes": (lambda x: x.div_(x.shape[3]), "writes by sizes"),
    "a constant as long as the image": (lambda x: x * torch.ones(x.shape[3]), "torch.ones on no"),
    "a constant as long as the canvas": (lambda x: x * torch.ones(22, dtype=x.dtype), "a constant extends"),
    "a linear layer over columns": (lambda x: F.linear(x, torch.ones(3, 22, dtype=x.dtype)), "mixes the positions"),
    "a branch on the canvas' size": (
        lambda x: F.relu(x) if x.shape[2] > 12 else x.sigmoid(),
        r"compares \(gt\) the size 20 \(for the images 12, 17\)",
    ),
    "a table kept by size": (lambda x: {20: 2 * x}[x.shape[2]], "compares"),
    "rows beyond the image": (lambda x: x[:, :, list(range(x.shape[2]))], "IndexError"),
    # mixing the images
    "mean over the batch": (lambda x: x - x.mean(), "torch.Tensor.mean .* reduces over all images"),
    "batch merged": (lambda x: x.reshape(-1, 3, 4, 1).sum(1), "torch.Tensor.reshape"),
    "of each pair": (lambda x: (pooled(x) @ pooled(x).t()).softmax(-1) @ pooled(x), "first axis"),
    "image 0": (lambda x: pooled(x) + pooled(x)[0], "row of its own"),
    "scrambled": (lambda x: pooled(x).reshape(-1).view(4, -1).t(), "images"),
    "windows in the batch": (lambda x: x.view(-1, 4, 5, 4, 22).transpose(1, 2).reshape(-1, 4, 4, 22), "images"),
    "a product of the images": (lambda x: torch.bmm(*[_tokens(x).transpose(0, 1)[:, :, :2]] * 2), "bmm.*first axis"),
    "the images on the second axis": (lambda x: x.transpose(0, 1), "axis 0|images"),
    "attention, batch first where it is not": (
        lambda x: nn.MultiheadAttention(4, 2).double()(*[_tokens(x)] * 3)[0].transpose(1, 2), "unknown origin|images",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
@torch.no_grad()
def test_refused(case, batch_of):
    function, message = REFUSED[case]
    model = Function(lambda m, x: function(x)).double()
    convert_padding(model, "partial")
    with pytest.raises(PaddingError, match=message):
        forward_masked(model, batch_of(SIZES), SIZES, check=False)


@torch.no_grad()
def test_the_layer_is_named(batch_of):
    inner = Function(lambda m, x: torch.fft.fft2(x))
    inner.stem = nn.Identity()
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Sequential(nn.Identity(), inner))
    convert_padding(model, "partial")
    message = r"layer '1.1' \(Function\): masks cannot be followed through torch.fft.fft2 on .*no rule.*forward_singly"
    with pytest.raises(UnfollowableError, match=message):
        forward_masked(model.double(), batch_of(SIZES), SIZES)


class Keeps(nn.Module):
    """Keeps a table for the sizes it has seen."""

    kept = None

    def forward(self, x):
        self.kept = x.mean((2, 3), keepdim=True) * 0 if self.kept is None else self.kept
        return x + self.kept


@torch.no_grad()
def test_what_was_kept_from_an_earlier_run_is_of_unknown_origin(batch_of):
    model = Keeps()
    forward_masked(model, batch_of(SIZES), SIZES, check=False)
    with pytest.raises(UnfollowableError, match="unknown origin"):
        forward_masked(model, batch_of(SIZES), SIZES, check=False)


NETWORKS = {
    "an image too small": (lambda: nn.Conv2d(3, 4, (3, 12)), "image 1 is too small"),
    "batch norm in training": (lambda: nn.BatchNorm2d(3), "evaluation mode"),
    "a mask of its own": (
        lambda: Function(lambda m, x: m.l(x, torch.ones_like(x[:, :1]))[0], l=PartialConv2d(4, 4, 3, padding=1)),
        "layer 'l'.*masked_convolution .*no rule for it",
    ),
    "one size only": (
        lambda: timm.create_model("vit_tiny_patch16_224", img_size=(20, 22), patch_size=2),
        r"layer 'patch_embed'.*compares .*20 \(for the images 12, 17\)",
    ),
    "DataParallel": (lambda: nn.DataParallel(nn.Conv2d(3, 4, 3)), r"DataParallel.*use model\.module"),
    "compiled": (lambda: torch.compile(nn.Conv2d(3, 4, 3)), "compiled or traced"),
    "traced": (lambda: torch.jit.trace(nn.Conv2d(3, 4, 3), torch.randn(1, 3, 9, 9)), "compiled or traced"),
    "an image that is not taken alone": (
        lambda: Function(lambda m, x: x if int(x.shape[2]) > 17 else x.view(7)), "alone with RuntimeError",
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_networks(name, batch_of):
    build, message = NETWORKS[name]
    with pytest.raises(PaddingError, match=message):
        forward_masked(build().double(), batch_of(SIZES), SIZES)


def test_layers_that_run_again_in_the_backward_pass(batch_of):
    model = timm.create_model("test_resnet").double().eval()
    model.set_grad_checkpointing()
    with pytest.raises(PaddingError, match="gradient checkpointing"):
        forward_masked(model, batch_of(SIZES), SIZES)
    with torch.no_grad():
        forward_masked(model, batch_of(SIZES), SIZES)


def test_compiling_the_call_itself(batch_of):
    model = nn.Conv2d(3, 4, 3, padding=1)
    run = torch.compile(lambda images: forward_masked(model, images, SIZES).output, backend="eager", fullgraph=True)
    with pytest.raises(Exception, match="cannot be compiled"):
        run(batch_of(SIZES, dtype=torch.float32))


MALFORMED = r"must be \(N, 2\)"
WRONG_SIZES = [
    *((sizes, MALFORMED) for sizes in (torch.tensor([12, 20]), [12, 20], None, ["ab", "cd"], torch.ones(2, 2, 1))),
    ([(12, 20)], MALFORMED),
    ([(12, 20), (17,)], MALFORMED),
    ([(float("nan"), 20), (17, 9)], "whole numbers"),
    ([(float("inf"), 20), (17, 9)], "whole numbers"),
    ([(12, 20), (21, 9)], "image 1 is said to be 21 x 9"),
    ([(0, 20), (17, 9)], "image 0 is said to be 0 x 20"),
    (torch.tensor([[12.5, 20], [17, 9]]), "image 0"),
]


@pytest.mark.parametrize("forward", [forward_masked, forward_singly])
def test_arguments(forward, batch_of):
    for sizes, message in WRONG_SIZES:
        with pytest.raises(PaddingError, match=message):
            forward(nn.Identity(), batch_of(SIZES), sizes)
    for images in (torch.ones(5, 5), torch.ones(0, 3, 5, 5), torch.ones(1, 1, 2, 2, 2, 2), [1, 2], None):
        with pytest.raises(PaddingError, match=r"images must be \(N, C, H, W\)"):
            forward(nn.Identity(), images, [])


def test_an_unknown_rule(batch_of):
    with pytest.raises(PaddingError, match="unknown rule 'grown'; choose one of fixed, grow"):
        forward_masked(nn.Identity(), batch_of(SIZES), SIZES, rule="grown")


def test_a_network_that_talks_to_other_processes(batch_of, tmp_path):
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        layer = PartialConv2d(3, 4, 3, padding=1).double()
        model = nn.parallel.DistributedDataParallel(layer)
        with pytest.raises(PaddingError, match=r"use model\.module"):
            forward_masked(model, batch_of(SIZES), SIZES)
        assert forward_masked(model.module, batch_of(SIZES), SIZES).output.isfinite().all()
        with pytest.raises(PaddingError, match="wrapped by DistributedDataParallel; convert the inner module first"):
            convert_padding(model, "reflect")
        x = torch.randn(2, 3, 5, 6, dtype=torch.float64)
        expected = torch.autograd.grad(layer(x).square().sum(), list(layer.parameters()))
        model(x).square().sum().backward()
        for parameter, gradient in zip(layer.parameters(), expected, strict=True):
            torch.testing.assert_close(parameter.grad, gradient)
    finally:
        torch.distributed.destroy_process_group()


class ViewGrown(nn.Module):
    """Adds a wider map to a part of a narrower one, which goes on being used."""

    def __init__(self):
        super().__init__()
        self.narrow, self.wide = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 2, 5, padding=2)

    def forward(self, x):
        y = self.narrow(x)
        part = y[:, :2]
        part += self.wide(x)
        return y


@pytest.mark.parametrize("inference", [False, True])
def test_a_view_that_grows_where_its_base_would_not_know_of_it(inference, batch_of):
    model = ViewGrown().double()
    convert_padding(model, "partial")
    with (
        torch.inference_mode(inference),
        torch.no_grad(),
        pytest.raises(PaddingError, match="view was changed in place"),
    ):
        forward_masked(model, batch_of(SIZES), SIZES, rule="grow")

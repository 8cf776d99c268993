"""What cannot be followed is refused, by name; nothing is guessed."""

import gc
import threading
import weakref
from functools import partial

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import nn

from padding import PaddingError, convert_padding, forward_masked, forward_singly
from tests.support.masked_nets import ViewGrown

SIZES = [(12, 20), (17, 9)]


class Function(nn.Module):
    """A convolution and a function behind it."""

    def __init__(self, function):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.function = function

    def forward(self, x):
        return self.function(self.stem(x))


def _write(x):
    x[:, :, 0] = 0
    return x


def _in_a_thread(x):
    results = []
    thread = threading.Thread(target=lambda: results.append(x * 2))
    thread.start()
    thread.join()
    return results[0] + x


REFUSED = {
    "no rule": (lambda x: torch.fft.fft2(x).real, r"torch.fft.fft2 on \(2, 4, 20, 22\) in Function: there is no rule"),
    "mean over the batch": (lambda x: x - x.mean(), "torch.Tensor.mean .* reduces over all images"),
    "batch merged": (lambda x: x.reshape(-1, 3, 4, 1).sum(1), "torch.Tensor.reshape"),
    "images picked": (lambda x: x[:1], "torch.Tensor.__getitem__"),
    "values written": (_write, "torch.Tensor.__setitem__"),
    "a constant as long as the image": (
        lambda x: x * torch.ones(x.shape[3], dtype=x.dtype, device=x.device),
        "torch.ones",
    ),
    "a constant as long as the canvas": (lambda x: x * torch.ones(22, dtype=x.dtype, device=x.device), "on its own"),
    "the canvas' size as a number": (
        lambda x: x.sum((2, 3)) / x.shape[3],
        "is told",
    ),
    "a branch on the canvas' size": (lambda x: F.relu(x) if x.shape[2] > 12 else x.sigmoid(), "depends on the size"),
    "fewer calls on the canvas": (lambda x: x if x.shape[2] > 12 else x + 1, "depends on the size"),
    "another thread": (_in_a_thread, "unknown origin"),
    "one number": (lambda x: x * float(x.amax()), "Tensor"),
    "a linear layer over columns": (lambda x: F.linear(x, torch.ones(3, 20, dtype=x.dtype)), "on its own"),
}


@pytest.mark.parametrize("case", REFUSED)
@torch.no_grad()
def test_refused(case, batch_of):
    function, message = REFUSED[case]
    model = Function(function).double()
    convert_padding(model, "partial")
    with pytest.raises(PaddingError, match=message) as caught:
        forward_masked(model, batch_of(SIZES), SIZES)
    assert "forward_singly" in str(caught.value) or "on its own" in str(caught.value)


@torch.no_grad()
def test_the_layer_is_named(batch_of):
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Sequential(nn.Identity(), Function(torch.fft.fft2)))
    model[1][1].stem = nn.Identity()
    convert_padding(model, "partial")
    with pytest.raises(PaddingError, match=r"in layer '1.1' \(Function\)"):
        forward_masked(model.double(), batch_of(SIZES), SIZES)


@torch.no_grad()
def test_without_the_check_code_that_counts_the_canvas_is_wrong_in_silence(batch_of):
    """What the check is for: if this fails, it has become unnecessary."""
    model = Function(lambda x: x.sum((2, 3)) / x.shape[3]).double()
    images = batch_of(SIZES)
    found = forward_masked(model, images, SIZES, check=False).output
    assert not torch.allclose(found, forward_singly(model, images, SIZES).output)


@torch.no_grad()
def test_without_the_check_arguments_that_may_follow_the_size_are_refused(batch_of):
    model = Function(lambda x: F.interpolate(x, size=x.shape[2:])).double()
    with pytest.raises(PaddingError, match="check=True"):
        forward_masked(model, batch_of(SIZES), SIZES, check=False)


@torch.no_grad()
def test_each_new_canvas_is_compared(batch_of):
    """The comparison is kept for a canvas and a size, not for a size alone: here one canvas goes well."""
    model = Function(lambda x: x.sigmoid() if x.shape[2] > 20 else F.relu(x)).double()
    forward_masked(model, batch_of(SIZES, canvas=(20, 20)), SIZES)
    with pytest.raises(PaddingError, match="depends on the size"):
        forward_masked(model, batch_of(SIZES, canvas=(21, 20)), SIZES)


@torch.no_grad()
def test_a_changed_model_is_traced_anew(batch_of):
    model = Function(F.relu).double()
    images = batch_of(SIZES)
    for scheme in ("zero", "partial", "replicate"):
        convert_padding(model, scheme)
        found, expected = forward_masked(model, images, SIZES), forward_singly(model, images, SIZES)
        for n, (height, width) in enumerate(SIZES):
            torch.testing.assert_close(
                found.output[n, :, :height, :width], expected.output[n, :, :height, :width], rtol=1e-12, atol=1e-12
            )


class Keeps(nn.Module):
    """Keeps a table for the sizes it has seen, whatever the device."""

    def __init__(self):
        super().__init__()
        self.kept = {}

    def forward(self, x):
        if x.shape not in self.kept:
            self.kept[x.shape] = x.mean((2, 3), keepdim=True) * 0
        return x + self.kept[x.shape]


@torch.no_grad()
def test_the_check_leaves_nothing_in_the_network(batch_of):
    model = Keeps()
    images = batch_of(SIZES)
    forward_masked(model, images, SIZES)
    assert list(model.kept) == [images.shape]
    for height, width in SIZES:
        assert model(images[:1, :, :height, :width]).device.type == "cpu"


@pytest.mark.parametrize("rule", ["fixed", "grow"])
@torch.no_grad()
def test_nothing_holds_on_to_the_network(rule, batch_of):
    model = Function(F.relu)
    convert_padding(model, "partial")
    kept = []
    model.stem.register_forward_hook(partial(lambda network, module, inputs, output: kept.append(output), model))
    output, _ = forward_masked(model, batch_of(SIZES, dtype=torch.float32), SIZES, rule=rule)
    assert not vars(output)
    alive = weakref.ref(model)
    del model
    gc.collect()
    assert alive() is None
    assert kept


def test_a_network_that_cannot_be_copied(batch_of):
    model = Function(F.relu)
    model.lock = threading.Lock()
    with pytest.raises(PaddingError, match="cannot be copied"):
        forward_masked(model, batch_of(SIZES, dtype=torch.float32), SIZES)


@torch.no_grad()
def test_an_image_that_is_too_small_is_named(batch_of):
    model = nn.Sequential(nn.Conv2d(3, 4, 7), nn.Conv2d(4, 4, 7)).double()
    sizes = [(20, 20), (20, 12)]
    with pytest.raises(PaddingError, match="on its own, an image of 20 x 12"):
        forward_masked(model, batch_of(sizes), sizes)
    with pytest.raises(PaddingError, match="image 1 is too small"):
        forward_masked(model, batch_of(sizes), sizes, check=False)


def test_batch_norm_in_training(batch_of):
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)).double()
    with pytest.raises(PaddingError, match="evaluation mode"):
        forward_masked(model, batch_of(SIZES), SIZES)


@pytest.mark.parametrize(
    "wrap", [nn.DataParallel, torch.compile, lambda m: torch.jit.trace(m, torch.randn(1, 3, 9, 9))]
)
@pytest.mark.filterwarnings("ignore")
def test_what_hides_the_functions(wrap, batch_of):
    model = wrap(nn.Conv2d(3, 4, 3, padding=1))
    with pytest.raises(PaddingError, match=r"DataParallel|compiled or traced"):
        forward_masked(model, batch_of(SIZES, dtype=torch.float32), SIZES)


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


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ([(12, 20)], r"must be \(N, 2\)"),
        ([(12, 20), (17,)], r"must be \(N, 2\)"),
        ([(12, 20), (21, 9)], "image 1 is said to be 21 x 9"),
        ([(0, 20), (17, 9)], "image 0 is said to be 0 x 20"),
        (torch.tensor([[12.5, 20], [17, 9]]), "image 0"),
    ],
)
def test_sizes(sizes, message, batch_of):
    for forward in (forward_masked, forward_singly):
        with pytest.raises(PaddingError, match=message):
            forward(nn.Identity(), batch_of(SIZES), sizes)


def test_words_and_shapes(batch_of):
    with pytest.raises(PaddingError, match="unknown rule 'grown'; choose one of fixed, grow"):
        forward_masked(nn.Identity(), batch_of(SIZES), SIZES, rule="grown")
    with pytest.raises(PaddingError, match=r"images must be \(N, C, H, W\)"):
        forward_masked(nn.Identity(), batch_of(SIZES)[0], SIZES)


@torch.no_grad()
def test_a_model_that_takes_one_size_only(batch_of):
    model = timm.create_model("vit_tiny_patch16_224").double().eval()
    with pytest.raises(PaddingError, match="on its own, an image of 208 x 224"):
        forward_masked(model, batch_of([(208, 224), (224, 224)], canvas=(224, 224)), [(208, 224), (224, 224)])


@torch.no_grad()
def test_a_view_that_grows_where_its_base_would_not_know_of_it(batch_of):
    model = ViewGrown().double()
    convert_padding(model, "partial")
    with pytest.raises(PaddingError, match="view was changed in place"):
        forward_masked(model, batch_of(SIZES), SIZES, rule="grow")

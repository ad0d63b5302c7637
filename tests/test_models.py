"""Networks and their initial weights."""
import numpy as np
import pytest
import torch
from torch import nn

from lrlib import models


def test_an_mlp_is_linear_layers_with_relu_between():
    net = models.mlp(6, 5, 4, 3)
    x = torch.randn(7, 2, 3, generator=torch.Generator().manual_seed(0))
    want = x.reshape(7, 6)
    layers = [layer for layer in net if isinstance(layer, nn.Linear)]
    for i, layer in enumerate(layers):
        want = want @ layer.weight.T + layer.bias
        want = want.clamp(min=0) if i < 2 else want
    torch.testing.assert_close(net(x), want)


@pytest.mark.parametrize("size", [14, 28])
@pytest.mark.parametrize("pool", [1, 2])
def test_a_cnn_fits_its_images(size, pool):
    kernels = (5, 5) if size == 28 else (3, 3)
    net = models.small_cnn(size, (4, 6), kernels, pool)
    assert net(torch.zeros(2, 1, size, size)).shape == (2, 10)


def test_initial_weights_depend_on_the_seed_alone():
    torch.manual_seed(1)
    a = models.initialise(models.small_cnn(), seed=3)
    torch.manual_seed(2)
    b = models.initialise(models.small_cnn(), seed=3)
    c = models.initialise(models.small_cnn(), seed=4)
    for p, q, r in zip(a.parameters(), b.parameters(), c.parameters(), strict=True):
        assert torch.equal(p, q)
        assert not torch.equal(p, r)


def test_float64_weights_are_the_float32_ones_before_rounding():
    single = models.initialise(models.mlp(8, 4), seed=0)
    double = models.initialise(models.mlp(8, 4).double(), seed=0)
    torch.testing.assert_close(double[1].weight.float(), single[1].weight, rtol=0, atol=0)


@pytest.mark.parametrize("build", [lambda: nn.Linear(400, 300), lambda: nn.Conv2d(16, 64, 5),
                                   lambda: nn.Conv1d(30, 90, 7)])
def test_the_distribution_is_torch_s_own(build):
    torch.manual_seed(0)
    theirs = build()
    ours = models.initialise(build(), seed=0)
    for p, q in zip(theirs.parameters(), ours.parameters(), strict=True):
        assert float(p.detach().abs().max()) == pytest.approx(float(q.detach().abs().max()), rel=0.05)
        assert float(q.detach().std() if q.numel() > 500 else p.detach().std()) == pytest.approx(
            float(p.detach().std()), rel=0.03)


def test_normalisation_starts_at_one_and_zero():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    nn.init.constant_(net[1].weight, 7)
    models.initialise(net, 0)
    np.testing.assert_array_equal(net[1].weight.detach(), [1, 1])


def test_an_unknown_layer_is_refused_and_nothing_changes():
    net = nn.Sequential(nn.Linear(2, 2), nn.Bilinear(2, 2, 2))
    before = net[0].weight.detach().clone()
    with pytest.raises(TypeError, match=r"Bilinear \(1\)"):
        models.initialise(net, 0)
    assert torch.equal(net[0].weight, before)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: models.mlp(3), r"\(3,\)"),
    (lambda: models.mlp(3, 0, 2), r"\(3, 0, 2\)"),
    (lambda: models.mlp(4, "8", 2), r"\(4, '8', 2\)"),
    (lambda: models.mlp(4, 8.0, 2), r"\(4, 8\.0, 2\)"),
    (lambda: models.mlp([4, 8, 2]), r"\(\[4, 8, 2\],\)"),
    (lambda: models.small_cnn(6), "6 pixels"),
])
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()

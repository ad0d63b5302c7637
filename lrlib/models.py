"""Networks that more than one chapter trains, and their initial weights."""
from __future__ import annotations

import itertools
import math
import numbers

from .extras import extra
from .repro import rng

with extra("torch"):
    import torch
    from torch import nn

__all__ = ["mlp", "small_cnn", "char_rnn", "transformer", "initialise"]


def mlp(*widths):
    """A multilayer perceptron: each input flattened, ReLU between the layers.

    Args:
        widths: numbers of units from the input to the output, at least two, each 1 or more.

    Returns:
        nn.Sequential; maps [batch, ...] with widths[0] values an example to
        [batch, widths[-1]].

    Raises:
        ValueError: fewer than two widths, or one that is no whole number of 1 or more.

    Examples:
        >>> net = mlp(784, 32, 10)
        >>> net(torch.zeros(5, 1, 28, 28)).shape
        torch.Size([5, 10])
        >>> sum(p.numel() for p in net.parameters())
        25450
    """
    if len(widths) < 2 or not all(isinstance(width, numbers.Integral) and width >= 1
                                  for width in widths):
        raise ValueError(f"mlp needs two or more widths, whole numbers of 1 or more, got {widths}")
    layers = [nn.Flatten()]
    for before, after in itertools.pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def small_cnn(size=28, channels=(16, 48), kernels=(5, 5), pool=2, classes=10):
    """Two convolutions and one linear layer: the smallest net that knows digits well.

    The first convolution has stride 2; both have no padding and a ReLU; a maximum over
    `pool` x `pool` comes before the linear layer.

    Args:
        size: height and width of the images in pixels.
        channels: outputs of the two convolutions.
        kernels: their heights and widths in pixels.
        pool: side of the pooling window; 1 for none.
        classes: number of outputs.

    Returns:
        nn.Sequential; maps [batch, 1, size, size] to [batch, classes] logits.

    Raises:
        ValueError: images too small for the kernels.

    Examples:
        >>> net = small_cnn()
        >>> net(torch.zeros(5, 1, 28, 28)).shape
        torch.Size([5, 10])
        >>> sum(p.numel() for p in net.parameters())
        27354
    """
    (first, second), (wide, narrow) = channels, kernels
    side = ((size - wide) // 2 + 1 - narrow + 1) // pool
    if side < 1:
        raise ValueError(f"images of {size} pixels are too small for kernels {kernels} and "
                         f"pooling {pool}")
    network = nn.Sequential(
        nn.Conv2d(1, first, wide, stride=2), nn.ReLU(),
        nn.Conv2d(first, second, narrow), nn.ReLU(),
        *([nn.MaxPool2d(pool)] if pool > 1 else []),
        nn.Flatten(), nn.Linear(second * side * side, classes))
    return network.to(memory_format=torch.channels_last)      # a fifth faster on a CPU


class _CharRNN(nn.Module):
    def __init__(self, vocabulary, hidden, kind):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, hidden)
        self.recurrent = kind(hidden, hidden, batch_first=True)
        self.out = nn.Linear(hidden, vocabulary)

    def forward(self, tokens):
        return self.out(self.recurrent(self.embedding(tokens))[0]).transpose(1, 2)


def char_rnn(vocabulary, hidden=64, kind=nn.GRU):
    """A recurrent language model: embedding, one recurrent layer, a linear layer.

    Args:
        vocabulary: number of tokens, 1 or more.
        hidden: width of embedding and state, 1 or more.
        kind: nn.GRU, nn.LSTM or nn.RNN.

    Returns:
        nn.Module; maps whole numbers [batch, time] to logits [batch, vocabulary, time], the
        order that torch's cross_entropy takes with targets [batch, time].

    Raises:
        ValueError: a number below 1.

    Examples:
        >>> net = char_rnn(65)
        >>> net(torch.zeros(5, 32, dtype=torch.long)).shape
        torch.Size([5, 65, 32])
        >>> sum(p.numel() for p in net.parameters())
        33345

    Source:
        Cho et al. 2014, arXiv:1406.1078 (the GRU).
    """
    if min(vocabulary, hidden) < 1:
        raise ValueError(f"vocabulary and hidden must be 1 or more, got {vocabulary}, {hidden}")
    return _CharRNN(vocabulary, hidden, kind)


class _Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x, mask):
        batch, time, width = x.shape
        q, k, v = self.queries_keys_values(x).view(
            batch, time, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-1, -2) / math.sqrt(width // self.heads) + mask).softmax(-1)
        return self.out((weights @ v).transpose(1, 2).reshape(batch, time, width))


class _Block(nn.Module):
    """Attention, then two linear layers, each on normalised inputs and added to them."""

    def __init__(self, width, heads):
        super().__init__()
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = _Attention(width, heads)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.ReLU(),
                                  nn.Linear(4 * width, width))

    def forward(self, x, mask):
        x = x + self.attention(self.first(x), mask)
        return x + self.feed(self.second(x))


class _Transformer(nn.Module):
    def __init__(self, vocabulary, context, width, heads, layers):
        super().__init__()
        self.tokens, self.places = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
        self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(layers))
        self.norm, self.out = nn.LayerNorm(width), nn.Linear(width, vocabulary)
        self.register_buffer("mask", torch.full((context, context), -math.inf).triu(1),
                             persistent=False)

    def forward(self, tokens):
        time = tokens.shape[1]
        x, mask = self.tokens(tokens) + self.places.weight[:time], self.mask[:time, :time]
        for block in self.blocks:
            x = block(x, mask)
        return self.out(self.norm(x)).transpose(1, 2)


def transformer(vocabulary, context=32, width=48, heads=4, layers=2):
    """A small causal Transformer that predicts the next token, normalising before each part.

    Args:
        vocabulary: number of tokens.
        context: longest sequence.
        width: of every token's vector; a multiple of `heads`.
        heads: attention heads in a layer.
        layers: number of blocks.  All are 1 or more.

    Returns:
        nn.Module; maps whole numbers [batch, time], time up to `context`, to logits
        [batch, vocabulary, time].

    Raises:
        ValueError: a number below 1, a width that is no multiple of `heads`.

    Examples:
        >>> net = transformer(65)
        >>> net(torch.zeros(5, 32, dtype=torch.long)).shape
        torch.Size([5, 65, 32])
        >>> sum(p.numel() for p in net.parameters())
        64481

    Source:
        Vaswani et al. 2017, arXiv:1706.03762; Xiong et al. 2020, arXiv:2002.04745 (the place of
        the normalisation).
    """
    if min(vocabulary, context, width, heads, layers) < 1 or width % heads:
        raise ValueError("all numbers must be 1 or more and width a multiple of heads, got "
                         f"vocabulary {vocabulary}, context {context}, width {width}, "
                         f"heads {heads}, layers {layers}")
    return _Transformer(vocabulary, context, width, heads, layers)


def initialise(model, seed):
    """Fills a network with the initial weights of a seed: uniform within 1/sqrt(fan-in).

    The distributions are torch's own (within 1/sqrt(hidden) for recurrent layers, standard normal
    for embeddings); the numbers come from NumPy's Philox, so that a seed means
    the same weights on every platform and in every framework.

    Args:
        model: an nn.Module of linear, convolution, recurrent, embedding and normalisation
            layers; changed in place.
        seed: a whole number of 0 or more.

    Returns:
        the model.

    Raises:
        TypeError: a layer with parameters of a kind not named above; nothing is changed.

    Examples:
        >>> net = initialise(nn.Linear(4, 1), seed=0)
        >>> net.weight.detach().numpy().round(3)
        array([[0.266, 0.27 , 0.306, 0.493]], dtype=float32)
        >>> torch.equal(net.bias, initialise(nn.Linear(4, 1), seed=0).bias)
        True

    Source:
        LeCun et al. 1998, "Efficient BackProp", section 4.6 (the scale).
    """
    drawn, normalising, stream = [], [], rng(seed, "weights")
    for name, layer in model.named_modules():
        if not list(layer.parameters(recurse=False)):
            continue
        if isinstance(layer, (nn.Linear, nn.Conv1d, nn.Conv2d)):
            bound = 1 / math.sqrt(layer.weight[0].numel())
            drawn += [(p, stream.uniform(-bound, bound, tuple(p.shape)))
                      for p in (layer.weight, layer.bias) if p is not None]
        elif isinstance(layer, nn.RNNBase):
            bound = 1 / math.sqrt(layer.hidden_size)
            drawn += [(p, stream.uniform(-bound, bound, tuple(p.shape)))
                      for p in layer.parameters()]
        elif isinstance(layer, nn.Embedding):
            drawn.append((layer.weight, stream.normal(size=tuple(layer.weight.shape))))
        elif isinstance(layer, (nn.LayerNorm, nn.GroupNorm, nn.BatchNorm1d,
                                nn.BatchNorm2d)):
            normalising.append(layer)
        else:
            raise TypeError(f"initialise does not know {type(layer).__name__} ({name})")
    for layer in normalising:
        layer.reset_parameters()
    with torch.no_grad():
        for parameter, values in drawn:
            parameter.copy_(torch.from_numpy(values))
    return model

r"""Optimisers from scratch, as values: a formula from (parameters, gradient, state) to the next.

`start` gives the state before the first update, `step` one update.  Both are pure and use only
`+ - * / **`, so the same lines run on NumPy arrays, on torch tensors, under `torch.func.vmap`
with a rate for each member, and under `make_fx`.

p, g and each state array have one shape and one dtype.  The rate is an argument of every update,
so any schedule drives any optimiser.  Hyper-parameters are fields, with torch's defaults.
"""
from __future__ import annotations

import math
import numbers
from dataclasses import dataclass, fields

__all__ = ["Optimizer", "SGD", "AdaGrad", "RMSprop", "Adadelta", "Adam", "AdamW"]

_SHARE = ("from 0 to below 1", lambda value: 0 <= value < 1)
_RATE = ("0 or more", lambda value: value >= 0)
_LIMITS = {"momentum": _SHARE, "smoothing": _SHARE, "beta1": _SHARE, "beta2": _SHARE,
           "initial": _RATE, "weight_decay": _RATE, "eps": ("more than 0", lambda value: value > 0)}
_FLAGS = {"nesterov", "centered"}


@dataclass(frozen=True)
class Optimizer:
    r"""What an optimiser has to say: the base of all, and how to add your own.

    A subclass is a frozen dataclass of hyper-parameters with two pure functions, `start` and
    `step`.  Fields named as in this module are checked when the value is built.

    Returns:
        an immutable value; ==, hash and repr come from its hyper-parameters.

    Raises:
        ValueError: a hyper-parameter outside its limits; the message carries it.
        TypeError: a hyper-parameter that is not a number, a flag that is not True or False.

    Examples:
        Momentum as Keras has it, where the velocity holds the rate:

        >>> @dataclass(frozen=True)
        ... class Velocity(Optimizer):
        ...     momentum: float = 0.9
        ...     def start(self, p): return (0 * p,)
        ...     def step(self, p, g, state, rate, t):
        ...         v = self.momentum * state[0] - rate * g
        ...         return p + v, (v,)
        >>> opt, p = Velocity(), 1.0
        >>> state = opt.start(p)
        >>> for t, rate in enumerate([0.1, 0.1, 0.0], start=1):
        ...     p, state = opt.step(p, 2 * p, state, rate, t)       # the loss is p**2
        ...     print(round(p, 4))
        0.8
        0.46
        0.154
    """

    def __post_init__(self):
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name in _FLAGS and not isinstance(value, bool):
                raise TypeError(f"{f.name} must be True or False, got {value!r}")
            if f.name in _LIMITS:
                limits, holds = _LIMITS[f.name]
                if isinstance(value, bool) or not isinstance(value, numbers.Real):
                    raise TypeError(f"{f.name} must be a number, got {value!r}")
                if not (math.isfinite(value) and holds(value)):
                    raise ValueError(f"{f.name} must be {limits}, got {value!r}")
                object.__setattr__(self, f.name, float(value))

    def start(self, p):
        """The state before the first update: a tuple of arrays like p, () when nothing is kept."""
        raise NotImplementedError(f"{type(self).__name__} has no state: define start(self, p)")

    def step(self, p, g, state, rate, t):
        """One update: (the new p, the new state); nothing given is changed.

        p, g and state are arrays of one shape; rate is a number, 0 or more; t is 1 for the
        first update.  rate and t may be 0-d tensors: make t float64, or the powers of a beta
        are rounded to 32 bits; p keeps its dtype.  (NumPy's float64 scalars would widen a
        float32 p: give Python numbers.)
        """
        raise NotImplementedError(f"{type(self).__name__} has no update: define "
                                  "step(self, p, g, state, rate, t)")

    def _with_l2(self, p, g):
        return g + self.weight_decay * p if self.weight_decay else g


@dataclass(frozen=True)
class SGD(Optimizer):
    r"""Gradient descent, plain, with heavy-ball momentum or with Nesterov's.

    .. math:: v_t = \mu v_{t-1} + g_t, \qquad p_t = p_{t-1} - \eta_t v_t
        \quad\text{(Nesterov: } p_t = p_{t-1} - \eta_t (g_t + \mu v_t) \text{)}

    Args:
        momentum: the share of the velocity that is kept, from 0 to below 1.
        nesterov: step along the velocity as it will be one update later; needs momentum.
        weight_decay: w, 0 or more, in units of gradient per unit of parameter; w p is added to g.

    Returns:
        a value; state () without momentum, else (v,), in units of the gradient.

    Raises:
        ValueError, TypeError: as `Optimizer`; `nesterov` without momentum.

    Examples:
        >>> sgd = SGD(momentum=0.5)
        >>> sgd.start(1.0)
        (0.0,)
        >>> sgd.step(1.0, 2.0, (4.0,), rate=0.25, t=1)
        (0.0, (4.0,))

    Notes:
        Equal to torch.optim.SGD with dampening 0.  Keras' velocity holds the rate,
        :math:`v_t = \mu v_{t-1} - \eta_t g_t`: the same parameters while the rate is constant,
        others under a schedule.

    Source:
        Polyak 1964, "Some methods of speeding up the convergence of iteration methods";
        Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning".
    """

    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def __post_init__(self):
        super().__post_init__()
        if self.nesterov and not self.momentum:
            raise ValueError(f"nesterov needs a momentum above 0, got {self.momentum}")

    def start(self, p):
        return (0 * p,) if self.momentum else ()

    def step(self, p, g, state, rate, t):
        g = self._with_l2(p, g)
        if not self.momentum:
            return p - rate * g, ()
        v = self.momentum * state[0] + g
        return p - rate * (g + self.momentum * v if self.nesterov else v), (v,)


@dataclass(frozen=True)
class AdaGrad(Optimizer):
    r"""A rate for each parameter, divided by the root of the sum of its squared gradients.

    .. math:: s_t = s_{t-1} + g_t^2, \qquad p_t = p_{t-1} - \eta_t\, g_t / (\sqrt{s_t} + \epsilon)

    Args:
        initial: s before the first update, 0 or more, in units of the squared gradient.
        eps: more than 0, in units of the gradient.
        weight_decay: w, 0 or more; w p is added to g.

    Returns:
        a value; state (s,), in units of the squared gradient.

    Raises:
        ValueError, TypeError: as `Optimizer`.  (torch takes eps = 0, which makes 0 / 0 of a
            gradient that is 0; here it is refused.)

    Examples:
        >>> AdaGrad(eps=1.0).step(1.0, 3.0, (16.0,), rate=0.5, t=2)
        (0.75, (25.0,))

    Notes:
        Equal to torch.optim.Adagrad; its lr_decay is the schedule `InverseTime`.  Keras has
        epsilon under the root and starts at 0.1: its sum is ours with
        `initial = initial_accumulator_value + epsilon` and a vanishing eps.

    Source:
        Duchi, Hazan and Singer 2011, "Adaptive subgradient methods for online learning and
        stochastic optimization", JMLR 12.
    """

    initial: float = 0.0
    eps: float = 1e-10
    weight_decay: float = 0.0

    def start(self, p):
        return (0 * p + self.initial,)

    def step(self, p, g, state, rate, t):
        g = self._with_l2(p, g)
        s = state[0] + g * g
        return p - rate * g / (s**0.5 + self.eps), (s,)


@dataclass(frozen=True)
class RMSprop(Optimizer):
    r"""AdaGrad that forgets: a running mean of the squared gradients in place of their sum.

    .. math:: v_t = \alpha v_{t-1} + (1 - \alpha) g_t^2, \qquad
        u_t = \mu u_{t-1} + g_t / (\sqrt{v_t} + \epsilon), \qquad p_t = p_{t-1} - \eta_t u_t

    Args:
        smoothing: alpha, the share of the old mean that is kept, from 0 to below 1.
        momentum: mu, from 0 to below 1.
        centered: divide by the running standard deviation, the root of v - (mean of g)^2.
        eps: more than 0, in units of the gradient.
        weight_decay: w, 0 or more; w p is added to g.

    Returns:
        a value; state (v,), then the mean gradient if `centered`, then u if there is momentum.

    Raises:
        ValueError, TypeError: as `Optimizer`.

    Examples:
        >>> RMSprop(smoothing=0.5, eps=1.0).step(1.0, 3.0, (23.0,), rate=0.5, t=2)
        (0.7, (16.0,))

    Notes:
        Equal to torch.optim.RMSprop.  v starts at 0 without correction, so the first steps are
        large.  In Keras epsilon stands under the root, and u holds the rate.
        Centred, a gradient that stays the same has no deviation: rounding may then make the
        difference under the root negative and the step NaN, here as in torch.

    Source:
        Tieleman and Hinton 2012, "Lecture 6.5: RMSprop", Neural networks for machine learning;
        centred: Graves 2013, arXiv:1308.0850.
    """

    smoothing: float = 0.99
    momentum: float = 0.0
    centered: bool = False
    eps: float = 1e-8
    weight_decay: float = 0.0

    def start(self, p):
        return tuple(0 * p for _ in range(1 + self.centered + (self.momentum > 0)))

    def step(self, p, g, state, rate, t):
        g, keep = self._with_l2(p, g), self.smoothing
        v = keep * state[0] + (1 - keep) * g * g
        square, new = v, (v,)
        if self.centered:
            mean = state[1] + (1 - keep) * (g - state[1])      # exact where g stays the same
            square, new = v - mean * mean, (v, mean)
        u = g / (square**0.5 + self.eps)
        if self.momentum:
            u = self.momentum * state[-1] + u
            new = (*new, u)
        return p - rate * u, new


@dataclass(frozen=True)
class Adadelta(Optimizer):
    r"""RMSprop whose numerator is the running size of its own steps, so that units agree.

    .. math:: v_t = \rho v_{t-1} + (1 - \rho) g_t^2, \qquad
        d_t = g_t \sqrt{(u_{t-1} + \epsilon) / (v_t + \epsilon)}, \qquad
        u_t = \rho u_{t-1} + (1 - \rho) d_t^2, \qquad p_t = p_{t-1} - \eta_t d_t

    Args:
        smoothing: rho, the share of the old means that is kept, from 0 to below 1.
        eps: more than 0; it sets the size of the first steps, which grow from there.
        weight_decay: w, 0 or more; w p is added to g.

    Returns:
        a value; state (v, u), in units of the squared gradient and of the squared parameter.

    Raises:
        ValueError, TypeError: as `Optimizer`.  (With eps = 0 no step would ever be made.)

    Examples:
        >>> Adadelta(smoothing=0.5, eps=1.0).step(1.0, 2.0, (2.0, 3.0), rate=0.5, t=2)
        (0.0, (3.0, 3.5))

    Notes:
        Equal to torch.optim.Adadelta, and to Keras' with equal rho and epsilon.  The paper has no
        rate: :math:`\eta = 1`, torch's default.  Keras' default of 0.001 is a thousandth of it.

    Source:
        Zeiler 2012, arXiv:1212.5701, algorithm 1.
    """

    smoothing: float = 0.9
    eps: float = 1e-6
    weight_decay: float = 0.0

    def start(self, p):
        return (0 * p, 0 * p)

    def step(self, p, g, state, rate, t):
        g, keep = self._with_l2(p, g), self.smoothing
        v = keep * state[0] + (1 - keep) * g * g
        d = ((state[1] + self.eps) / (v + self.eps)) ** 0.5 * g
        return p - rate * d, (v, keep * state[1] + (1 - keep) * d * d)


@dataclass(frozen=True)
class Adam(Optimizer):
    r"""Momentum over RMSprop, both means corrected for their start at 0.

    .. math:: m_t = \beta_1 m_{t-1} + (1 - \beta_1) g_t, \qquad
        v_t = \beta_2 v_{t-1} + (1 - \beta_2) g_t^2, \qquad
        p_t = p_{t-1} - \eta_t \frac{m_t / (1 - \beta_1^t)}
        {\sqrt{v_t / (1 - \beta_2^t)} + \epsilon}

    Args:
        beta1: the share of the old mean gradient that is kept, from 0 to below 1.
        beta2: the same for the mean of its square.
        eps: more than 0, in units of the gradient.
        weight_decay: w, 0 or more; w p is added to g, and so divided like g.  See `AdamW`.

    Returns:
        a value; state (m, v), in units of the gradient and of its square.

    Raises:
        ValueError, TypeError: as `Optimizer`.

    Examples:
        The first step has the size of the rate, whatever the gradient's:

        >>> adam = Adam()
        >>> [round(adam.step(1.0, g, adam.start(1.0), rate=0.1, t=1)[0], 6) for g in (1e-3, 1e3)]
        [0.900001, 0.9]

    Notes:
        Equal to torch.optim.Adam.  Keras adds epsilon to the uncorrected root: it acts as an eps
        of :math:`\epsilon / \sqrt{1 - \beta_2^t}` here, larger at first.

    Source:
        Kingma and Ba 2015, arXiv:1412.6980, algorithm 1; computed in the order of its section 2,
        where the numbers are combined before they meet an array.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0

    def start(self, p):
        return (0 * p, 0 * p)

    def _change(self, g, state, rate, t):
        m = self.beta1 * state[0] + (1 - self.beta1) * g
        v = self.beta2 * state[1] + (1 - self.beta2) * g * g
        root = (1 - self.beta2**t) ** 0.5
        return rate * root / (1 - self.beta1**t) * m / (v**0.5 + root * self.eps), (m, v)

    def step(self, p, g, state, rate, t):
        change, state = self._change(self._with_l2(p, g), state, rate, t)
        return p - change, state


@dataclass(frozen=True)
class AdamW(Adam):
    r"""Adam with the weight decay beside the gradient, not in it.

    .. math:: p_t = (1 - \eta_t w)\, p_{t-1} - (\text{Adam's step without weight decay})

    Args:
        beta1: the share of the old mean gradient that is kept, from 0 to below 1.
        beta2: the same for the mean of its square.
        eps: more than 0, in units of the gradient.
        weight_decay: w, 0 or more; an update takes the share rate * w of every parameter.

    Returns:
        a value; state (m, v), as for `Adam`.

    Raises:
        ValueError, TypeError: as `Optimizer`.

    Examples:
        Without a gradient the parameter decays, and Adam's statistics stay 0:

        >>> opt = AdamW(weight_decay=0.1)
        >>> opt.step(2.0, 0.0, opt.start(2.0), rate=0.5, t=1)
        (1.9, (0.0, 0.0))

    Notes:
        Equal to torch.optim.AdamW, and to Keras' but for Adam's epsilon and the default of w
        (0.004 there).  In Keras every optimiser's weight_decay is of this kind, Adam's too.
        The paper multiplies w by the schedule's factor alone; here, in torch and in Keras it is
        multiplied by the rate.

    Source:
        Loshchilov and Hutter 2019, arXiv:1711.05101, algorithm 2.
    """

    weight_decay: float = 0.01

    def step(self, p, g, state, rate, t):
        change, state = self._change(g, state, rate, t)
        return (1 - rate * self.weight_decay) * p - change, state

"""A pure function of tensors as a list of calls on fixed memory: what makes many small runs cheap.

One update of a small network takes microseconds of arithmetic and hundreds of microseconds of
everything around it: dispatch, autograd, allocation.  A `Program` pays for that once.  It traces
the update into a graph of tensor operations, simplifies the graph, gives every intermediate
result a place in memory, and from then on only calls the operations, each writing into its place.

`lrlib.sweep` traces the update of a whole population under `torch.func.vmap`.
"""
from __future__ import annotations

import contextlib
import operator
import warnings
from functools import partial

from .extras import extra

with extra("torch"):
    import torch
    import torch._dynamo  # which tracing would load: after TensorFlow its Triton crashes Python
    from torch._subclasses import FakeTensorMode
    from torch.func import functionalize
    from torch.fx import Interpreter, Node
    from torch.fx.experimental.proxy_tensor import make_fx
    from torch.fx.node import map_arg

__all__ = ["Program"]

aten = torch.ops.aten
# results that depend on shapes alone
FACTORIES = {aten.ones_like, aten.zeros_like, aten.full_like, aten.scalar_tensor, aten.full,
             aten.zeros, aten.ones, aten.arange, aten.new_zeros, aten.new_ones, aten.new_full,
             aten.eye}
# a result with the same memory, though the schema does not say so
HIDDEN_VIEWS = {aten._unsafe_view.default}
SAME = {aten._unsafe_view.default, aten.view.default, aten.expand.default, aten.alias.default,
        aten.detach.default, aten._to_copy.default, aten.permute.default, aten.clone.default}
# torch's own functions take half the time of `torch.ops` to be called
DIRECT = {aten.add.Tensor, aten.sub.Tensor, aten.mul.Tensor, aten.mul.Scalar, aten.div.Tensor,
          aten.addcmul.default, aten.addcdiv.default, aten.bmm.default, aten.baddbmm.default,
          aten.sum.dim_IntList, aten.mean.dim, aten.amax.default, aten.exp.default,
          aten.log.default, aten.neg.default, aten.tanh.default, aten.sigmoid.default,
          aten.cat.default, aten.stack.default, aten.gather.default}


def _log_softmax(x, dim, half_to_float):
    z = x - x.amax(dim, keepdim=True)
    return z - z.exp().sum(dim, keepdim=True).log()


def _log_softmax_backward(grad, output, dim, dtype):
    return grad - output.exp() * grad.sum(dim, keepdim=True)


# torch's own kernels take the classes of one row at a time, slow for the few classes of a small
# net; a list of outputs has no place of its own
DECOMPOSITIONS = {
    aten._log_softmax.default: _log_softmax,
    aten._log_softmax_backward_data.default: _log_softmax_backward,
    aten.unsafe_split.Tensor: lambda x, size, dim=0: list(torch.split(x, size, dim)),
}


class Program:
    """One step of something that is repeated: state and inputs in, new state and outputs out.

    Args:
        function: (list of state tensors, list of input tensors) -> (list of new state, list of
            outputs), pure, without random numbers and with the same shapes at every call.  The
            new state has the shapes and dtypes of the old.
        state: tensors with the state to begin with; each step overwrites them.
        inputs: tensors that each step reads; the caller fills them before it.

    Returns:
        when called, None: one step is made; the state tensors then hold the new state and
        `outputs` what else the function returned, until the next step.

    Raises:
        ValueError: a function that draws random numbers or changes the shape of its state.

    Examples:
        >>> def fall(state, inputs):
        ...     (p, v), (rate,) = state, inputs
        ...     v = 0.5 * v + 2 * p
        ...     return [p - rate * v, v], [(p * p).sum()]
        >>> p, v, rate = torch.ones(2), torch.zeros(2), torch.tensor(0.25)
        >>> step = Program(fall, [p, v], [rate])
        >>> for _ in range(3):
        ...     step()
        ...     print(step.outputs[0].item(), p.tolist())
        2.0 [0.5, 0.5]
        0.5 [0.0, 0.0]
        0.0 [-0.25, -0.25]

    Notes:
        `bytes` is the memory of state, inputs and intermediate results; `operations` are the
        names of the calls of one step in order; `code` is the graph as text, equal for equal
        functions.
    """

    def __init__(self, function, state, inputs):
        self.state, self.inputs = list(state), list(inputs)
        graph_module = _trace(function, self.state, self.inputs)
        self.code = _code(graph_module)
        _check(graph_module.graph, self.state)
        _Layout(self, graph_module)

    def __call__(self):
        for call in self._calls:
            call()


@contextlib.contextmanager
def _tracing():
    # one fake mode for the whole trace instead of one for each operation: half the time
    context = torch._guards.TracingContext(FakeTensorMode(allow_fallback_kernels=True))
    with warnings.catch_warnings(), torch.no_grad(), torch._guards.tracing(context):
        warnings.simplefilter("ignore")          # of oneDNN, about Intel's graphics processors
        # without oneDNN an LSTM is traced as its formula, not as one opaque call
        with torch.backends.mkldnn.flags(enabled=False):
            yield


def _trace(function, state, inputs):
    def flat(*tensors):
        new, outputs = function(list(tensors[:len(state)]), list(tensors[len(state):]))
        if len(new) != len(state):
            raise ValueError(f"a step must return {len(state)} state tensors, got {len(new)}")
        return [*new, *outputs]

    with _tracing():
        trial = [tensor.clone() for tensor in [*state, *inputs]]
        versions = [tensor._version for tensor in trial]
        module = make_fx(functionalize(flat), decomposition_table=DECOMPOSITIONS)(*trial)
        for i, (tensor, version) in enumerate(zip(trial, versions, strict=True)):
            if tensor._version != version:
                raise ValueError(f"a step changes its argument {i} in place; it must be pure")
        graph = module.graph
        graph.eliminate_dead_code()
        _Record(module).run(*state, *inputs)
        for _ in range(2):                       # what one round leaves unused hides the next
            _simplify(graph)
            graph.eliminate_dead_code()
        _Record(module).run(*state, *inputs)     # fused operations may lay out memory anew
    return module


def _code(module):
    """The graph as text, with the constants in it."""
    constants = [getattr(module, node.target) for node in module.graph.nodes
                 if node.op == "get_attr"]
    return f"{module.graph} {[constant.tolist() for constant in constants]}"


class _Record(Interpreter):
    """Writes the form of each result, (shape, stride, dtype), into the graph."""

    def run_node(self, node):
        result = super().run_node(node)
        many = isinstance(result, (tuple, list))
        forms = [(tuple(t.shape), t.stride(), t.dtype) if isinstance(t, torch.Tensor) else None
                 for t in (result if many else [result])]
        node.meta["form"] = forms if many else forms[0]
        return result


def _form(node):
    return node.meta["form"]


def _shape(node):
    return _form(node)[0]


def _calls(node, *targets):
    return isinstance(node, Node) and node.op == "call_function" and node.target in targets


# Simplifying -------------------------------------------------------------------------------------

def _simplify(graph):
    """Fewer passes over memory for the same numbers, up to rounding."""
    seen = {}
    for node in list(graph.nodes):
        if node.op != "call_function" or node.target is operator.getitem:
            continue
        instead = _nothing_done(node) or _fused(graph, node)
        if instead is None:
            key = (node.target, repr(node.args), repr(node.kwargs))
            instead = seen.setdefault(key, node)
        if instead is not node:
            node.replace_all_uses_with(instead)
            graph.erase_node(node)


def _nothing_done(node):
    """The argument that this operation returns unchanged, if it does."""
    first = node.args[0] if node.args else None
    if not isinstance(first, Node):
        return None
    if node.target in SAME and _form(node) == _form(first):
        return first
    if _calls(node, aten.mul.Scalar, aten.mul.Tensor) and _is_number(node.args[1], 1):
        return first
    if _calls(node, aten.transpose.int) and _calls(first, aten.transpose.int) \
            and set(node.args[1:]) == set(first.args[1:]):
        return first.args[0]
    return None


def _is_number(value, number):
    return not isinstance(value, Node) and value == number


def _fused(graph, node):
    """a + b*c, a + b/c, a + b@c and a + -b each as one operation."""
    if not _calls(node, aten.add.Tensor, aten.sub.Tensor) or node.kwargs:
        return None
    plus = node.target is aten.add.Tensor
    left, right = node.args
    pairs = [(left, right), (right, left)] if plus else [(left, right)]
    for whole, product in sorted(pairs, key=lambda pair: not _calls(pair[1], aten.bmm.default)):
        if not (isinstance(whole, Node) and isinstance(product, Node) and len(product.users) == 1
                and _shape(whole) == _shape(node) and _form(whole)[2] == _form(product)[2]):
            continue
        call = _fused_call(whole, product, 1 if plus else -1)
        if call is not None:
            with graph.inserting_before(node):
                new = graph.call_function(*call)
            new.meta["form"] = _form(node)
            return new
    return None


def _fused_call(whole, product, sign):
    if _calls(product, aten.neg.default) and sign == 1:
        return aten.sub.Tensor, (whole, product.args[0]), {}
    if _calls(product, aten.mul.Tensor, aten.mul.Scalar):
        a, b = product.args
        if isinstance(b, Node):
            return aten.addcmul.default, (whole, a, b), {"value": sign}
        if _shape(a) == _shape(whole):
            return aten.add.Tensor, (whole, a), {"alpha": sign * b}
    if _calls(product, aten.div.Tensor) and isinstance(product.args[1], Node):
        return aten.addcdiv.default, (whole, *product.args), {"value": sign}
    if _calls(product, aten.bmm.default) and _shape(product) == _shape(whole) and sign == 1:
        beta = 1
        if _calls(whole, aten.mul.Tensor, aten.mul.Scalar) and len(whole.users) == 1 \
                and not isinstance(whole.args[1], Node):
            whole, beta = whole.args
        return aten.baddbmm.default, (whole, *product.args), {"beta": beta}
    return None


# Laying out --------------------------------------------------------------------------------------

def _is_view(target):
    schema = target._schema
    return target in HIDDEN_VIEWS or (not schema.is_mutable and any(
        result.alias_info is not None for result in schema.returns))


def _check(graph, state):
    for node in graph.nodes:
        if node.op == "call_function" and node.target is not operator.getitem:
            if torch.Tag.nondeterministic_seeded in node.target.tags:
                raise ValueError(f"{node.target} draws random numbers; a step must be given them")
            if node.target._schema.is_mutable:
                raise ValueError(f"{node.target} changes its argument; a step must be pure")
    new = _outputs(graph)[:len(state)]
    for i, (before, after) in enumerate(zip(state, new, strict=True)):
        form = (tuple(before.shape), before.dtype)
        if (_form(after)[0], _form(after)[2]) != form:
            raise ValueError(f"state {i} was {form}, becomes {_form(after)[0], _form(after)[2]}")


def _outputs(graph):
    return next(iter(reversed(graph.nodes))).args[0]


def _out_variant(target):
    """The overload that writes into given memory, and the names of its outputs; or None."""
    wanted = [(a.name, str(a.type)) for a in target._schema.arguments]
    for name in target.overloadpacket.overloads():
        overload = getattr(target.overloadpacket, name)
        arguments = overload._schema.arguments
        out = [a.name for a in arguments
               if a.kwarg_only and a.alias_info is not None and a.alias_info.is_write]
        if out and [(a.name, str(a.type)) for a in arguments if a.name not in out] == wanted:
            return overload, out
    return None


class _Layout:
    """Gives each result its memory, in the order of the graph, and collects the calls.

    Results that share memory (a tensor and its views) form a group, named by its first node.
    A group's memory goes back to the pool after its last use.  A new state is written over the
    old one as soon as nothing reads the old one any more.
    """

    def __init__(self, program, module):
        self.program, self.module, self.nodes = program, module, list(module.graph.nodes)
        self.values, self.constant = {}, set()     # node -> tensor(s) in place
        self.pool, self.owned = {}, {}             # free memory by size; memory of each group
        self.calls, self.names = [], []
        self.bytes = sum(t.numel() * t.element_size() for t in program.state + program.inputs)
        self.group, self.last = {}, {}
        self._lifetimes()
        for index, node in enumerate(self.nodes):
            if node.op == "get_attr":
                self._keep(node, getattr(module, node.target))
            elif node.op == "call_function":
                self._place(index, node)
        self._finish()

    def _lifetimes(self):
        placeholders = [node for node in self.nodes if node.op == "placeholder"]
        for node, tensor in zip(placeholders, self.program.state + self.program.inputs,
                                strict=True):
            self.values[node] = tensor
        self.old = placeholders[:len(self.program.state)]
        for index, node in enumerate(self.nodes):
            shares = node.op == "call_function" and (
                node.target is operator.getitem or _is_view(node.target))
            self.group[node] = self.group[node.args[0]] if shares else node
            for argument in node.all_input_nodes:
                self.last[self.group[argument]] = index
        # the last node is the output, so what leaves the program lives to the end
        new = _outputs(self.module.graph)[:len(self.old)]
        self.successor = {after: before for before, after in zip(self.old, new, strict=True)
                          if self.group[after] is after and after.op == "call_function"}
        for after in self.successor:
            self.last.pop(after, None)
        for index, node in enumerate(self.nodes[:-1]):
            for argument in node.all_input_nodes:
                if self.group[argument] in self.successor:
                    self.last[self.group[argument]] = index

    def _arguments(self, node):
        def look(other):
            return self.values[other]
        return map_arg(node.args, look), map_arg(node.kwargs, look)

    def _keep(self, node, value):
        self.values[node] = value
        self.constant.add(node)

    def _place(self, index, node):
        inputs = node.all_input_nodes
        if node.target is operator.getitem:
            self.values[node] = self.values[node.args[0]][node.args[1]]
            if node.args[0] in self.constant:
                self.constant.add(node)
            return
        args, kwargs = self._arguments(node)
        if node.target.overloadpacket in FACTORIES or all(i in self.constant for i in inputs):
            self._keep(node, node.target(*args, **kwargs))
        elif _is_view(node.target):
            self.values[node] = node.target(*args, **kwargs)
        else:
            self._call(index, node, args, kwargs)

    def _call(self, index, node, args, kwargs):
        many = isinstance(_form(node), list)
        forms = _form(node) if many else [_form(node)]
        dying = {self.group[i] for i in node.all_input_nodes
                 if self.last[self.group[i]] == index and self.group[i] in self.owned}
        state = self._overwritten(index, node)
        if state is not None:
            self._free(dying)
            places = [self.values[state]]
        else:
            if self._elementwise(node, dying):       # may write where it reads
                self._free(dying)
                dying = set()
            memory = [None if form is None else self._take(form) for form in forms]
            self.owned[node] = [flat for flat in memory if flat is not None]
            if node in self.successor:               # copied over the old state at the end
                self.last[node] = len(self.nodes)
            places = [None if form is None else flat.as_strided(*form[:2])
                      for flat, form in zip(memory, forms, strict=True)]
            self._free(dying)
        self.values[node] = places if many else places[0]
        self.calls.append(self._writing(node, args, kwargs, places))
        self.names.append(str(node.target))

    def _same_place(self, node, groups):
        """True where each argument in these groups lies in memory exactly as the result will."""
        return all(_form(i)[:2] == _form(node)[:2] for i in node.all_input_nodes
                   if self.group[i] in groups)

    def _elementwise(self, node, groups):
        if torch.Tag.pointwise in node.target.tags:
            return not isinstance(_form(node), list) and self._same_place(node, groups)
        if node.target is aten.baddbmm.default:      # adds to its first argument
            first, *factors = (self.group[argument] for argument in node.args)
            return not groups & set(factors) and self._same_place(node, groups & {first})
        return False

    def _overwritten(self, index, node):
        """The old state whose memory this result takes, if it may."""
        state = self.successor.get(node)
        if state is None or self.last.get(state, -1) > index:
            return None
        if _form(node)[:2] != _form(state)[:2]:
            return None
        if self.last.get(state, -1) == index and not self._elementwise(node, {state}):
            return None
        return state

    def _take(self, form):
        shape, stride, dtype = form
        size = 1 + sum((n - 1) * step for n, step in zip(shape, stride, strict=True)) \
            if 0 not in shape else 0
        free = self.pool.get((size, dtype))
        if free:
            return free.pop()
        device = (self.program.state + self.program.inputs)[0].device
        self.bytes += size * dtype.itemsize
        return torch.empty(size, dtype=dtype, device=device)

    def _free(self, groups):
        for group in groups:
            for flat in self.owned.pop(group, ()):
                self.pool.setdefault((flat.numel(), flat.dtype), []).append(flat)

    def _writing(self, node, args, kwargs, places):
        variant = _out_variant(node.target)
        if variant is not None and None not in places:
            overload, out = variant
            if node.target in DIRECT:
                overload = getattr(torch, node.target.overloadpacket.__name__)
            return partial(overload, *args, **kwargs, **dict(zip(out, places, strict=True)))
        return partial(_copying, node.target, args, kwargs, places)

    def _finish(self):
        outputs = _outputs(self.module.graph)
        for node in outputs[len(self.old):]:           # an old state goes out before it is lost
            if self.group[node] in self.old:
                place = torch.empty_like(self.values[node])
                self._copy(place, self.values[node])
                self.values[node] = place
        new = [self.values[node] for node in outputs[:len(self.old)]]
        late = [(before, after) for before, after in zip(self.program.state, new, strict=True)
                if before is not after]
        # first all copies out of the old state, then all into it
        states = {id(t) for t in self.program.state}
        for i, (before, after) in enumerate(late):
            if id(after) in states or after._base is not None:
                place = torch.empty_like(before)
                self._copy(place, after)
                late[i] = (before, place)
        for before, after in late:
            self._copy(before, after)
        self.program.outputs = [self.values[node] for node in outputs[len(self.old):]]
        self.program.bytes, self.program.operations = self.bytes, self.names
        self.program._calls = self.calls

    def _copy(self, place, value):
        self.calls.append(partial(place.copy_, value))
        self.names.append("copy")


def _copying(target, args, kwargs, places):
    results = target(*args, **kwargs)
    for place, result in zip(places, results if isinstance(results, (tuple, list)) else [results],
                             strict=True):
        if place is not None:
            place.copy_(result)

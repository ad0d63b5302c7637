"""Many runs at once: the engine against the plain loop, and what a user would pick instead.

    python -m benchmarks.sweep            the whole table
    python -m benchmarks.sweep --quick    one row in seconds; the last line is `ratio: N`

Every figure is CPU time of one thread.  An update of one member by the engine is taken from the
difference of a long and a short sweep, so that what happens once (tracing, initial weights) is
out of it; it is printed apart.  The loop is what one writes by hand: torch.optim, one network.
"""
import argparse
import statistics
import time
from functools import partial

import joblib
import numpy as np
import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from lrlib import (
    REX,
    Constant,
    Cosine,
    Exponential,
    InverseTime,
    Linear,
    Polynomial,
    data,
    models,
    multi_step,
    one_cycle,
    train,
    wsd,
)
from lrlib.optimizers import SGD
from lrlib.sweep import Player, _Batches, _Job, _Population, play, sweep

MOMENTUM = SGD(momentum=0.9)
DTYPES = {"f32": torch.float32, "f64": torch.float64}


def cpu(task):
    start = time.process_time()
    task()
    return time.process_time() - start


def peak(dtype):
    """Floating-point operations a second of the best matrix product here, single or batched."""
    best = 0
    for shape in ((512, 512), (8, 192, 192)):
        a = torch.randn(*shape, dtype=dtype)
        out = torch.empty_like(a)
        work = 2 * a.numel() * shape[-1]
        torch.matmul(a, a, out=out)
        times = int(2e9 / work)
        seconds = min(cpu(lambda a=a, out=out, times=times: [
            torch.matmul(a, a, out=out) for _ in range(times)]) for _ in range(5))
        best = max(best, work * times / seconds)
    return best


class Row:
    """One line of the table: networks, data, how many members, how many updates to time."""

    def __init__(self, label, build, data, batch, seeds, arms, updates, goal,
                 loss=functional.cross_entropy):
        self.label, self.build, self.data, self.batch = label, build, data, batch
        self.seeds, self.arms, self.updates, self.goal = range(seeds), arms, updates, goal
        self.loss = loss

    def typed(self, dtype):
        return [array.astype(str(dtype).split(".")[1]) if array.dtype.kind == "f" else array
                for array in self.data]

    def schedules(self):
        return [Constant(rate) for rate in np.geomspace(1e-4, 1e-3, self.arms)]

    def network(self, dtype):
        return self.build().to(dtype)

    def engine(self, dtype, updates):
        x, y = self.typed(dtype)
        return sweep(partial(self.network, dtype), x, y, self.schedules(), steps=updates,
                     batch=self.batch, seeds=self.seeds, loss=self.loss, optimizer=MOMENTUM,
                     processes=1)

    def loop(self, dtype, updates):
        x, y = (torch.from_numpy(array) for array in self.typed(dtype))
        network = models.initialise(self.network(dtype), 0)
        optimizer = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9)
        for t in range(updates):
            if t % (len(x) // self.batch) == 0:
                order = iter(torch.randperm(len(x)).split(self.batch))
            picks = next(order)
            optimizer.param_groups[0]["lr"] = 1e-3
            optimizer.zero_grad()
            loss = self.loss(network(x[picks]), y[picks])
            loss.item()
            loss.backward()
            optimizer.step()

    def work(self, dtype):
        """Floating-point operations of the matrix products of one update."""
        x, y = (torch.from_numpy(array[:self.batch]) for array in self.typed(dtype))
        network = self.network(dtype)
        with FlopCounterMode(display=False) as counter:
            self.loss(network(x), y).backward()
        return counter.get_total_flops()

    def memory(self, dtype):
        x, y = self.typed(dtype)
        job = _Job.checked(
            {"network": Player(partial(self.network, dtype), lambda nets, batch, noise:
                               self.loss(nets["network"](batch[0]), batch[1]), MOMENTUM)},
            (x, y), [[s] for s in self.schedules()], 1, self.batch, self.seeds, None, None,
            None, None, "cpu")
        population = _Population(job, 2)
        return population.program(_Batches(job, population, [(0, 0)] * 2)).bytes / 2

    def measure(self, dtype, rounds=7):
        """CPU seconds of an update of one member by the loop and by the engine, how many times
        the first is the second, and what the engine costs once.

        The two take turns, since the machine may be slower for a while: the ratio is the median
        over rounds of the ratio in one round.
        """
        few, many = self.updates, 3 * self.updates
        members = len(self.seeds) * self.arms
        self.loop(dtype, few)
        loops, engines, starts = [], [], []
        for _ in range(rounds):
            short, long = (cpu(lambda n=n: self.engine(dtype, n)) for n in (few, many))
            engines.append((long - short) / (many - few) / members)
            starts.append(short - engines[-1] * few * members)
            loops.append(cpu(lambda: self.loop(dtype, many)) / many)
        ratios = [loop / engine for loop, engine in zip(loops, engines, strict=True)]
        return tuple(map(statistics.median, (loops, engines, ratios, starts)))


class Game(Row):
    """The two networks of a GAN on a ring of eight Gaussians."""

    def __init__(self):
        rng = np.random.default_rng(0)
        angle = rng.integers(8, size=10_000) * np.pi / 4
        x = np.stack([np.cos(angle), np.sin(angle)], 1) + 0.02 * rng.normal(size=(10_000, 2))
        super().__init__("8-Gaussians GAN, 32 wide (64, 64)", None, (x,), 64, 8, 8, 60,
                         {"f32": 9, "f64": 7})
        self.g, self.d = partial(models.mlp, 2, 32, 32, 2), partial(models.mlp, 2, 32, 32, 1)

    @staticmethod
    def d_loss(nets, batch, noise):
        real, fake = nets["d"](batch[0]), nets["d"](nets["g"](noise).detach())
        return functional.softplus(-real).mean() + functional.softplus(fake).mean()

    @staticmethod
    def g_loss(nets, batch, noise):
        return functional.softplus(-nets["d"](nets["g"](noise))).mean()

    def engine(self, dtype, updates):
        players = {"d": Player(self.d, self.d_loss, MOMENTUM),
                   "g": Player(self.g, self.g_loss, MOMENTUM)}
        return play(players, self.typed(dtype), [[s, s] for s in self.schedules()],
                    steps=updates, batch=self.batch, seeds=self.seeds, processes=1,
                    noise=lambda draws: draws.normal(size=(64, 2)))

    def loop(self, dtype, updates):
        x = torch.from_numpy(self.typed(dtype)[0])
        nets = {"d": self.d().to(dtype), "g": self.g().to(dtype)}
        turns = [(self.d_loss, torch.optim.SGD(nets["d"].parameters(), lr=1e-3, momentum=0.9)),
                 (self.g_loss, torch.optim.SGD(nets["g"].parameters(), lr=1e-3, momentum=0.9))]
        for _ in range(updates):
            batch = (x[torch.randint(len(x), (64,))],)
            for loss_of, optimizer in turns:
                optimizer.zero_grad()
                loss = loss_of(nets, batch, torch.randn(64, 2, dtype=dtype))
                loss.item()
                loss.backward()
                optimizer.step()

    def work(self, dtype):
        nets = {"d": self.d().to(dtype), "g": self.g().to(dtype)}
        noise = torch.randn(64, 2, dtype=dtype)
        with FlopCounterMode(display=False) as counter:
            self.d_loss(nets, (noise,), noise).backward()
            self.g_loss(nets, (noise,), noise).backward()
        return counter.get_total_flops()

    def memory(self, dtype):
        return None


def rows():
    rng = np.random.default_rng(0)

    def classes(*shape, count=10):
        return rng.normal(size=shape), rng.integers(count, size=shape[0])

    def text(count, time):
        return rng.integers(65, size=(count, time)), rng.integers(65, size=(count, time))
    return [
        Row("MLP 196-64-10 (64, 64)", partial(models.mlp, 196, 64, 10), classes(4096, 196),
            64, 8, 8, 30, {"f32": 4, "f64": 3}),
        Row("MLP 40-32-10 (32, 64)", partial(models.mlp, 40, 32, 10), classes(4096, 40),
            32, 8, 8, 100, {"f32": 10, "f64": 7}),
        Row("MLP 2-16-2 (32, 256)", partial(models.mlp, 2, 16, 2), classes(4096, 2, count=2),
            32, 16, 16, 100, {"f32": 35, "f64": 30}),
        Game(),
        Row("GRU characters, hidden 64 (16, 32)", partial(models.char_rnn, 65), text(512, 32),
            16, 8, 4, 8, {"f32": 3, "f64": 3}),
        Row("Transformer 48 wide (16, 16)", partial(models.transformer, 65), text(512, 32),
            16, 4, 4, 8, {"f32": 1.5, "f64": 1.5}),
        Row("CNN 14x14, 8 and 16 channels (32, 16)", cnn, classes(2048, 1, 14, 14),
            32, 4, 4, 30, {"f32": 1.3, "f64": 1.0}),
    ]


def cnn():
    nn = torch.nn
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 16, 3), nn.ReLU(),
                         nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 10))


def table(chosen=None):
    peaks = {name: peak(dtype) for name, dtype in DTYPES.items()}
    print("matrix products: " + ", ".join(f"{name} {value / 1e9:.0f} GFLOP/s"
                                          for name, value in peaks.items()), flush=True)
    for row in rows():
        if chosen and chosen not in row.label:
            continue
        for name, dtype in DTYPES.items():
            loop, engine, ratio, once = row.measure(dtype)
            speed = row.work(dtype) / engine
            memory = row.memory(dtype)
            print(f"{row.label:38} {name}: loop {1e6 * loop:6.0f} us, engine {1e6 * engine:6.1f} "
                  f"us an update; ratio {ratio:5.1f} (goal {row.goal[name]}); "
                  f"{speed / 1e9:5.1f} GFLOP/s, {speed / peaks[name]:.0%} of the peak; "
                  f"{once:.1f} s once" + (f"; {memory / 1e6:.2f} MB a member" if memory else ""),
                  flush=True)


def whole():
    """400 networks: ten schedules at five rates with eight seeds, as a chapter trains them."""
    steps = 800
    shapes = [Constant(1), Linear(1, 0, steps), Cosine(1, 0, steps), Polynomial(1, 0, steps, 2),
              REX(1, 0, steps), Exponential(1, 0.01, steps), InverseTime(1, 9, steps),
              multi_step(1, 0.1, [400, 600]), one_cycle(1, steps), wsd(1, steps, 80, 200)]
    for name, goal in (("float32", 30), ("float64", 55)):
        images = data.fashion_mnist(dtype=name)
        x = data.pool(images.x_train).reshape(-1, 196)
        x_test = data.pool(images.x_test).reshape(-1, 196)
        seconds = cpu(lambda x=x, x_test=x_test, images=images: sweep(
            partial(models.mlp, 196, 64, 10), x, images.y_train,
            [[rate * shape for rate in (0.01, 0.02, 0.05, 0.1, 0.2)] for shape in shapes],
            steps=steps, batch=64, processes=1,
            measure=train.scores(test=(x_test, images.y_test))))
        print(f"400 MLPs 196-64-10, {steps} updates, {name}: {seconds:.0f} CPU-s ({goal} at most)",
              flush=True)


# What a user would pick instead ------------------------------------------------------------------

def wall(task):
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


def two_processes(updates=300, rounds=3):
    """Wall time of two processes against one loop, where batching itself wins little.

    The processes run already, as they do from a session's second sweep on.
    """
    row = rows()[-1]
    members = len(row.seeds) * row.arms
    for name, dtype in DTYPES.items():
        x, y = row.typed(dtype)

        def loop(dtype=dtype):
            for _ in range(members):
                row.loop(dtype, updates)

        def loops(updates, dtype=dtype):
            joblib.Parallel(2)(joblib.delayed(row.loop)(dtype, updates) for _ in range(members))

        def engine(updates, dtype=dtype, x=x, y=y):
            sweep(row.build, x, y, row.schedules(), steps=updates,
                  batch=row.batch, seeds=row.seeds, processes=2)
        # one after the other: joblib would start new processes at each turn
        two, ours = (statistics.median((task(1), *(wall(partial(task, updates))
                                                   for _ in range(rounds)))[1:])
                     for task in (loops, engine))
        one = statistics.median(wall(loop) for _ in range(rounds))
        ratio = one / ours
        print(f"{row.label}, {name}, {updates} updates, wall time: the loop {one:.1f} s; joblib "
              f"over the loop, 2 processes, {two:.1f} s; the engine, 2 processes, {ours:.1f} s; "
              f"ratio: {ratio:.1f} (goal 1.7)", flush=True)


def jax_updates(row, updates):
    """The same members in JAX: vmap over members, scan over updates, compiled once."""
    import jax
    import jax.numpy as jnp
    x, y = (jnp.asarray(array) for array in row.typed(torch.float32))
    members = len(row.seeds) * row.arms
    rng = np.random.default_rng(0)
    widths = [(40, 32), (32, 10)]
    params = [(jnp.asarray(rng.normal(size=(members, *w)) / np.sqrt(w[0]), jnp.float32),
               jnp.zeros((members, w[1]), jnp.float32)) for w in widths]
    velocity = jax.tree.map(jnp.zeros_like, params)
    picks = jnp.asarray(rng.integers(len(x), size=(updates, members, row.batch)))
    rates = jnp.full((updates, members), 1e-3, jnp.float32)

    def loss(params, x, y):
        (w, b), (w2, b2) = params
        logits = jnp.maximum(x @ w + b, 0) @ w2 + b2
        return -jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1).mean()

    def member(params, velocity, picks, rate):
        value, gradient = jax.value_and_grad(loss)(params, x[picks], y[picks])
        velocity = jax.tree.map(lambda v, g: 0.9 * v + g, velocity, gradient)
        return jax.tree.map(lambda p, v: p - rate * v, params, velocity), velocity, value

    @jax.jit
    def run(params, velocity, picks, rates):
        def step(carry, given):
            *carry, value = jax.vmap(member)(*carry, *given)
            return tuple(carry), value
        return jax.lax.scan(step, (params, velocity), (picks, rates))
    return lambda: jax.block_until_ready(run(params, velocity, picks, rates))


def ray_tune(row, updates, trials):
    """Some of the members as trials of Ray Tune, each the plain loop."""
    from ray import tune

    def trial(config):
        torch.set_num_threads(1)
        row.loop(torch.float32, updates)
        tune.report({"done": 1})
    return tune.Tuner(
        tune.with_resources(trial, {"cpu": 1}),
        param_space={"rate": tune.grid_search(list(np.geomspace(1e-4, 1e-3, trials)))},
        run_config=tune.RunConfig(verbose=0)).fit


def instead():
    row, updates = rows()[1], 1_000
    members = len(row.seeds) * row.arms
    x, y = row.typed(torch.float32)
    engine = wall(lambda: sweep(partial(row.network, torch.float32), x, y, row.schedules(),
                                steps=updates, batch=row.batch, seeds=row.seeds, processes=1))
    loops = wall(lambda: joblib.Parallel(2)(
        joblib.delayed(row.loop)(torch.float32, updates) for _ in range(members)))
    import ray
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    trials = 8
    tuned = wall(ray_tune(row, updates, trials)) * members / trials
    ray.shutdown()
    task = jax_updates(row, updates)
    first, later = wall(task), cpu(task)
    print(f"{row.label}, float32, {updates} updates, wall time: the engine, 1 process, "
          f"{engine:.1f} s; joblib over the loop, 2 processes, {loops:.1f} s "
          f"({loops / engine:.0f} times); Ray Tune over the loop, 2 processes, {tuned:.0f} s "
          f"({tuned / engine:.0f} times, from {trials} trials); JAX vmap, jit and scan, {first:.1f} s with compiling, "
          f"again {later:.1f} CPU-s ({later / engine:.1f} times)", flush=True)


def main():
    torch.set_num_threads(1)
    table()
    whole()
    two_processes()
    instead()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The engine of sweeps against other ways.")
    parser.add_argument("--quick", action="store_true", help="one row; the last line is its ratio")
    parser.add_argument("--row", help="only the rows whose label contains this")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.quick:
        row = rows()[1]
        loop, engine, ratio, _ = row.measure(torch.float32)
        print(f"{row.label}, float32: loop {1e6 * loop:.0f}, engine {1e6 * engine:.1f} CPU-us "
              "an update of one member")
        print(f"ratio: {ratio:.1f}")
    elif given.row:
        table(given.row)
    else:
        main()

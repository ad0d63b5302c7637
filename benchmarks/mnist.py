"""CPU seconds of training to 99 % on MNIST's test images, one thread, beside a usual recipe.

Ours is the last network of `cases/digits_cnn`, a little narrower: two epochs, always to the end.
The other is the recipe most tutorials use: two convolutions of 32 and 64 channels, 128 hidden
units, Adam at 0.001, no decay, batches of 64, tested after every half epoch until it has 99 %.
"""
from .clock import python

START = """
import time
from functools import partial
import numpy as np
import torch
from torch import nn
torch.set_num_threads(1)
from lrlib import Linear, data, models, train
digits = data.mnist(dtype="float32")
"""
OURS = START + """
def shifted(images, draws):
    top, left = draws.integers(1, 4, size=2)
    return images[:, :, top:top + 24, left:left + 24]

steps = 2 * 938
spent = []
def measure(network):
    spent.append(time.process_time() - start)
    return train.scores(test=(digits.x_test[:, :, 2:26, 2:26], digits.y_test))(network)

for seed in range(5):
    start = time.process_time()
    run = train.fit(
        partial(models.small_cnn, 24, (16, 32)), digits.x_train, digits.y_train,
        Linear(0.06, 0, steps - 150).warmup(150), steps=steps, batch=64, seed=seed,
        optimizer=partial(torch.optim.SGD, lr=0.0, momentum=0.9, nesterov=True,
                          weight_decay=5e-4), augment=shifted, measure=measure)
    print(f"{spent[-1]:.2f} {run.last('test accuracy'):.2f}")
"""
TUTORIAL = START + """
def network():
    return nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(),
                         nn.MaxPool2d(2), nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(),
                         nn.Linear(128, 10))
half, spent, tested = 469, 0.0, 0.0
net = models.initialise(network(), 0)
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
x, y = torch.from_numpy(digits.x_train), torch.from_numpy(digits.y_train)
order, halves = np.random.default_rng(0), 0
while tested < 99 and halves < 12:
    start = time.process_time()
    for picks in torch.from_numpy(order.permutation(60_000)[:30_000]).split(64):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x[picks]), y[picks]).backward()
        optimizer.step()
    spent += time.process_time() - start
    halves += 1
    tested = train.evaluate(net, digits.x_test, digits.y_test)[1]
print(f"{spent:.2f} {tested:.2f} {halves / 2}")
"""


def main():
    runs = [tuple(map(float, line.split())) for line in python(OURS).splitlines()]
    seconds = sorted(spent for spent, _ in runs)[len(runs) // 2]
    print("ours, 16 138 weights: " + ", ".join(f"{acc:.2f} % in {spent:.1f} CPU-s"
                                                for spent, acc in runs))
    spent, tested, epochs = map(float, python(TUTORIAL).split())
    print(f"tutorial: {tested:.2f} % in {spent:.1f} CPU-s, {epochs} epochs")
    print(f"ratio: {spent / seconds:.0f}; median of ours {seconds:.1f} CPU-s (6 at most)")

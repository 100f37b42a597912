"""ray.get in the loop that submits."""

BAD = {
    "a for loop": """
import ray

@ray.remote
def task(x):
    return x * 2

results = []
for x in range(10):
    ref = task.remote(x)
    results.append(ray.get(ref))  # HR052
""",
    "a comprehension, an actor": """
import hashlib
import ray
from transformers import pipeline

@ray.remote(num_gpus=1)
class Server:
    def __init__(self):
        self.classifier = pipeline("image-classification")

    def predict(self, images):
        return [self.classifier(image) for image in images]

server = Server.remote()
answers = [ray.get(server.predict.remote(images)) for images in batches]  # HR052
""",
    "in a function, with a bound": """
import ray

@ray.remote
def task(x):
    return x * 2

from ray import get

def run(items):
    for item in items:
        save(get(task.options(num_cpus=2).remote(item), timeout=60))  # HR052
""",
    "a list of one": """
import ray

def work(x):
    return x

task = ray.remote(work)
for x in range(8):
    print(ray.get([task.remote(x)]))  # HR052
""",
}

GOOD = {
    "all submitted first": """
import ray

@ray.remote
def task(x):
    return x * 2

refs = [task.remote(x) for x in range(10)]
for ref in refs:
    print(ray.get(ref))
""",
    "a list at a time": """
import ray

@ray.remote
def task(x):
    return x * 2

for start in range(0, 100, 10):
    print(ray.get([task.remote(x) for x in range(start, start + 10)]))
""",
    "each needs the one before": """
import ray

@ray.remote
def task(x):
    return x * 2

state = 0
for _ in range(10):
    state = ray.get(task.remote(state))
""",
    "polling": """
import ray

@ray.remote
def task(x):
    return x * 2

while True:
    if ray.get(task.remote(1)):
        break
""",
    "each step needs the weights of the last": """
import ray

@ray.remote
class Server:
    def apply(self, gradients):
        return [w - g for w, g in zip(self.weights, gradients)]

@ray.remote
def gradient(weights, shard):
    return [w * shard for w in weights]

server = Server.remote()
weights = [0.0] * 8
for _ in range(100):
    gradients = [gradient.remote(weights, shard) for shard in range(4)]
    weights = ray.get(server.apply.remote(gradients))
""",
    "one actor, whose calls wait for each other in any case": """
import ray

@ray.remote
class Counter:
    def __init__(self):
        self.n = 0

    def add(self, n):
        self.n += n
        return self.n

counter = Counter.remote()
for n in range(8):
    print(ray.get(counter.add.remote(n)))
""",
}

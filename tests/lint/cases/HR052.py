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
}

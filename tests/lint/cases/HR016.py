"""max_concurrency beside functions."""

BAD = {
    "a function": """
import ray

def clean(batch):
    return batch

ray.data.range(8).map_batches(clean, max_concurrency=2).show()  # HR016
""",
    "a lambda on rows": """
from ray import data

data.range(8).map(lambda row: row, num_cpus=1, max_concurrency=4).show()  # HR016
""",
    "a partial, with spread options": """
import functools

import ray

def scale(batch, by):
    return batch

options = {"max_concurrency": 2}
ray.data.range(8).map_batches(functools.partial(scale, by=2), **options).show()  # HR016
""",
}

GOOD = {
    "a class": """
import ray

class Predict:
    def __call__(self, batch):
        return batch

ray.data.range(8).map_batches(Predict, max_concurrency=2).show()
""",
    "what is not known to be a function": """
import ray
from models import predict

ray.data.range(8).map_batches(predict, max_concurrency=2).show()
""",
    "an actor of one's own": """
import ray

@ray.remote(max_concurrency=4)
class Server:
    def ask(self):
        return 1

server = Server.options(max_concurrency=2).remote()
ray.data.range(8).map_batches(lambda batch: batch).show()
""",
}

"""Options of tasks and actors that go to ray_remote_args."""

BAD = {
    "threads, to limit memory": """
import ray

class Predict:
    def __call__(self, batch):
        return batch

ray.data.range(8).map_batches(Predict, batch_size=4, max_concurrency=2)  # HR049
""",
    "a class of another module": """
import ray
from models import Predict

options = {"max_restarts": 3}
ray.data.range(8).map_batches(Predict, **options)  # HR049
""",
    "retries of a function": """
import ray.data as rd

rd.range(8).map(lambda row: row, max_retries=5)  # HR049
""",
    "where it runs": """
import ray

def place():
    return {"scheduling_strategy": "SPREAD"}

ray.data.range(8).map(lambda row: row, ray_remote_args_fn=place)  # HR049
ray.data.range(8).filter(lambda row: True, scheduling_strategy="SPREAD")  # HR049
""",
}

GOOD = {
    "the operation's own": """
import ray

ray.data.range(8).map_batches(
    lambda batch: batch, num_cpus=0.5, memory=1 << 30, resources={"disk": 1}, runtime_env={}, max_calls=1
)
""",
    "actors and tasks of one's own": """
import ray

@ray.remote(max_concurrency=2, max_restarts=3)
class Counter:
    pass

Counter.options(max_concurrency=4).remote()
""",
    "threads of a function: HR016 says that it breaks": """
import ray

def double(batch):
    return {"id": batch["id"] * 2}

ray.data.range(8).map_batches(double, max_concurrency=2)
""",
    "another library's": """
import concurrent.futures
import ray

with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
    pool.map(len, ["a"], max_concurrency=2)
""",
}

"""GPUs with the CPU that they imply."""

BAD = {
    "num_gpus alone": """
import ray
from models import Predict

ray.data.range(8).map_batches(Predict, num_gpus=1, batch_size=32).show()  # HR048
""",
    "rows": """
import ray.data as rd
from models import Predict

rd.range(8).map(Predict, num_gpus=0.25).show()  # HR048
""",
    "where there is a GPU": """
import ray
from models import Predict

gpus = 1 if ray.cluster_resources().get("GPU") else 0
ray.data.range(8).map_batches(Predict, batch_size=8, num_gpus=gpus).show()  # HR048
""",
}

GOOD = {
    "num_cpus": """
import ray
from models import Predict

ray.data.range(8).map_batches(Predict, num_gpus=1, num_cpus=0, batch_size=32).show()
""",
    "no GPU": """
import ray

ray.data.range(8).map_batches(lambda batch: batch, num_gpus=0).show()
""",
    "an actor of one's own, and options that are not known": """
import ray
from models import Predict

@ray.remote(num_gpus=1)
class Server:
    pass

def run(ds, **options):
    return ds.map_batches(Predict, num_gpus=1, batch_size=8, **options)
""",
}

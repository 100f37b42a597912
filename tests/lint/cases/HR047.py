"""Fewer workers than GPUs."""

BAD = {
    "a pool": """
import ray
from models import Predict

ray.init(num_gpus=4)
pool = ray.data.ActorPoolStrategy(size=2)
ray.data.range(8).map_batches(Predict, batch_size=8, num_gpus=1, compute=pool).show()  # HR047
""",
    "concurrency": """
import ray
import ray.data as rd
from models import Predict

ray.init(num_cpus=8, num_gpus=2)
rd.range(8).map_batches(Predict, batch_size=8, num_gpus=0.5, concurrency=2).show()  # HR047
""",
    "two steps, a range of workers": """
import ray
from models import Detect, Label

ray.init(num_gpus=8)
ds = ray.data.range(8).map_batches(Detect, batch_size=8, num_gpus=1, concurrency=(1, 3))
ds = ds.map_batches(
    Label,
    batch_size=8,
    num_gpus=1,  # HR047
    compute=ray.data.ActorPoolStrategy(min_size=1, max_size=4),
)
ds.show()
""",
}

GOOD = {
    "all": """
import ray
from models import Predict

ray.init(num_gpus=2)
ray.data.range(8).map_batches(Predict, batch_size=8, num_gpus=1, concurrency=2).show()
""",
    "a pool that grows": """
import ray
from models import Predict

ray.init(num_gpus=4)
pool = ray.data.ActorPoolStrategy(min_size=1)
ray.data.range(8).map_batches(Predict, batch_size=8, num_gpus=1, compute=pool).show()
""",
    "how many there are is not said": """
import ray
from models import Predict

ray.init()
ray.data.range(8).map_batches(Predict, batch_size=8, num_gpus=1, concurrency=1).show()
""",
    "two steps that share them": """
import ray
from models import Detect, Label

ray.init(num_gpus=2)
ds = ray.data.range(8).map_batches(Detect, batch_size=8, num_gpus=1, concurrency=1)
ds.map_batches(Label, batch_size=8, num_gpus=1, concurrency=1).show()
""",
}

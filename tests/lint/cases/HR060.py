"""Ray started twice."""

BAD = {
    "twice in a row": """
import ray

ray.init()
ray.data.range(3).show()
ray.init(num_cpus=2)  # HR060
""",
    "told not to be lenient": """
import ray

ray.init()
ray.init(ignore_reinit_error=False)  # HR060
""",
    "by name, and in a function": """
from ray import data, init

init()

def main():
    init(address="auto")  # HR060
    data.range(3).show()

main()
""",
    "once more after a shutdown": """
import ray

def main():
    ray.init()
    ray.data.range(3).show()
    ray.shutdown()
    ray.init()
    ray.init()  # HR060
""",
}

GOOD = {
    "shut down between": """
import ray

ray.init()
ray.data.range(3).show()
ray.shutdown()
ray.init(num_cpus=2)
""",
    "asked first, or told to be lenient": """
import ray

ray.init()
if not ray.is_initialized():
    ray.init()
ray.init(ignore_reinit_error=True)
""",
    "one or the other": """
import ray

def here():
    ray.init()

def there():
    ray.init(address="auto")

def main(cluster):
    if cluster:
        ray.init(address="auto")
    else:
        ray.init()
""",
    "a with block, and another library's": """
import daft
import ray

with ray.init():
    ray.data.range(3).show()
ray.init()
daft.init()
""",
    "a page of scripts": """
import ray

ray.init()
print(ray.cluster_resources())

import ray

ray.init(logging_level="warning")
ray.data.range(8).show()

import ray

ray.init(num_cpus=4)
ray.data.range(8).write_parquet("out")
""",
}

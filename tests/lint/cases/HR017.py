"""Options of tasks on writes."""

BAD = {
    "num_cpus": """
import ray

ray.data.range(8).write_parquet("out", num_cpus=0.1)  # HR017
""",
    "a stored dataset and memory": """
import ray.data as rd

ds = rd.read_parquet("in")
ds = ds.map_batches(lambda batch: batch)
ds.write_csv(
    "out",
    memory=2 * 1024,  # HR017 (bytes)
    concurrency=2,
)
""",
    "two at once: which of the two is written is left to people": """
import ray

ray.data.range(8).write_json(
    "out",
    num_cpus=1,  # HR017
    max_retries=2,  # HR017
)
""",
    "a write that has no more keywords": """
import ray

ray.data.read_images("in").write_images("out", "image", num_cpus=0.5)  # HR017
""",
}

GOOD = {
    "ray_remote_args": """
import ray

ray.data.range(8).write_parquet("out", ray_remote_args={"num_cpus": 0.1}, concurrency=2)
""",
    "reads take them": """
import ray

ray.data.read_images("in", num_cpus=0.025).write_parquet("out", compression="zstd")
""",
    "a write of something else": """
import polars as pl
import ray

ray.init(num_cpus=2)
pl.read_csv("in.csv").write_parquet("out", memory=3)
""",
}

FIXED = {
    "num_cpus": """
import ray

ray.data.range(8).write_parquet("out", ray_remote_args={"num_cpus": 0.1})  # HR017
""",
    "a stored dataset and memory": """
import ray.data as rd

ds = rd.read_parquet("in")
ds = ds.map_batches(lambda batch: batch)
ds.write_csv(
    "out",
    ray_remote_args={"memory": 2 * 1024},  # HR017 (bytes)
    concurrency=2,
)
""",
    "a write that has no more keywords": """
import ray

ray.data.read_images("in").write_images("out", "image", ray_remote_args={"num_cpus": 0.5})  # HR017
""",
}

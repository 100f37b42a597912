"""get_internal_block_refs()."""

BAD = {
    "in a loop": """
import ray

ds = ray.data.range(8).materialize()
for i in range(2):
    block = ds.get_internal_block_refs()[i]  # HR019
""",
    "chained, by an alias": """
import ray.data as rd

refs = rd.read_parquet("in").limit(5).get_internal_block_refs()  # HR019
""",
    "of a parameter": """
import ray

def blocks(ds: ray.data.Dataset):
    return ray.get(ds.get_internal_block_refs())  # HR019
""",
}

GOOD = {
    "bundles": """
import ray

for bundle in ray.data.range(8).iter_internal_ref_bundles():
    print(bundle.block_refs)
""",
    "arrow refs": """
import ray

refs = ray.data.range(8).to_arrow_refs()
""",
    "a method of something else": """
import ray
from store import Store

ray.init()
Store().get_internal_block_refs()
""",
}

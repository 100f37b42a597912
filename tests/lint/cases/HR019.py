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
    "an older Ray, asked for": """
import ray
from packaging.version import Version

ds = ray.data.range(8)
if Version(ray.__version__) >= Version("2.33"):
    refs = [ref for bundle in ds.iter_internal_ref_bundles() for ref in bundle.block_refs]
else:
    refs = ds.get_internal_block_refs()
""",
    "an older Ray, by a constant": """
import ray

RAY_VERSION = tuple(int(part) for part in ray.__version__.split(".")[:2])

def blocks(ds):
    if RAY_VERSION >= (2, 33):
        return [ref for bundle in ds.iter_internal_ref_bundles() for ref in bundle.block_refs]
    else:
        return ds.get_internal_block_refs()

print(blocks(ray.data.range(8)))
""",
}

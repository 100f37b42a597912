"""The defaults by a cluster's shape, as a page.

`python -m headrace.bench.cluster_defaults` prints it; it is docs/cluster-defaults.md.
"""

from __future__ import annotations

from headrace.plan.cluster import Cluster, Node
from headrace.plan.shape import Defaults, defaults

DECODE_MS = 2.0  # of CPU a photo, read, decoded and resized: 1.4-2.5 measured on JPEGs of 500x375 pixels

SHAPES = {
    "1 node of 2 CPUs": Cluster((Node("a", 2),)),
    "1 node of 4 CPUs": Cluster((Node("a", 4),)),
    "1 node of 16 CPUs": Cluster((Node("a", 16),)),
    "1 node of 64 CPUs": Cluster((Node("a", 64),)),
    "4 nodes of 16 CPUs": Cluster(tuple(Node(f"n{i}", 16) for i in range(4))),
    "1 GPU: 1 node of 4 CPUs": Cluster((Node("a", 4, 1),)),
    "1 GPU: 1 node of 32 CPUs": Cluster((Node("a", 32, 1),)),
    "2 GPUs: 1 node of 16 CPUs": Cluster((Node("a", 16, 2),)),
    "4 GPUs: 1 node of 48 CPUs": Cluster((Node("a", 48, 4),)),
    "8 GPUs: 1 node of 8 CPUs": Cluster((Node("a", 8, 8),)),
    "8 GPUs: 8 nodes of 4 CPUs": Cluster(tuple(Node(f"n{i}", 4, 1) for i in range(8))),
    "8 GPUs: 1 node of 96 CPUs": Cluster((Node("a", 96, 8),)),
    "16 GPUs: 4 nodes of 48 CPUs": Cluster(tuple(Node(f"n{i}", 48, 4) for i in range(4))),
    "16 GPUs: those, and 4 nodes of 64 CPUs without": Cluster(
        (*(Node(f"n{i}", 48, 4) for i in range(4)), *(Node(f"c{i}", 64) for i in range(4)))
    ),
}

# What was advised, what is done here, and why.
BY_STAGE = (
    (
        "Image loading: `num_cpus=0.025-0.05`, as it waits for I/O",
        "1 CPU for reading, decoding and resizing in one task",
        "decoding is bound by the CPU, 1.4-2.5 ms of a core a photo: at 0.025 Ray starts 40 such tasks a core. Reads "
        "of a remote store overlap inside the task, in threads",
    ),
    (
        "CPU preprocessing: `num_cpus=0.25-0.5`",
        "none of its own",
        "it is done where the photo is decoded, so only pixels of the model's size cross the object store (150,528 "
        "bytes a photo of 224x224). Fused so, Ray Data gave 156-181 photos/s, and 82-86 as the textbook has it "
        "(ResNet-50 bf16 in OpenVINO, 2 cores)",
    ),
    (
        "GPU inference: `num_gpus=1`, and 1 CPU that Ray adds",
        "`num_gpus=1`, `num_cpus=0`",
        "a worker waits for its GPU; where a node has no more CPUs than GPUs, the CPU that is set aside leaves none to "
        "readers, or GPUs idle (ray issue 33908)",
    ),
    (
        "CPU inference: `num_cpus=2-4` a worker",
        "one worker a node, which counts as a quarter of its CPUs",
        "OpenVINO and ONNX Runtime compute in one stream a core by themselves, with one copy of the model; on 2 cores "
        "0.25, 0.5 and 1 differed by no more than runs do, and 0.5 leaves a CPU to a reader",
    ),
    (
        "Post-processing: `num_cpus=0.25-0.5`",
        "0 for functions behind the model and for writing",
        "they cost little, and must find room while readers hold every CPU, or neither gets on",
    ),
)
BY_SIZE = (
    ("1 GPU: `concurrency=1, batch_size=32`", "1 worker, batch auto", "the batch climbs while rows/s improve"),
    (
        "2-4 GPUs: `concurrency=2, batch_size=64`",
        "2-4 workers: one a GPU",
        "with 2 workers of 1 GPU each, half of 4 GPUs idle",
    ),
    (
        "8 or more GPUs: `concurrency=4, batch_size=128`",
        "as many workers as GPUs",
        "with 4 workers, half of 8 GPUs idle, and three quarters of 16",
    ),
)
BY_LEVEL = (
    (
        "1. `num_cpus`, `num_gpus`: the tool for all performance issues",
        "set by the shape; `num_cpus=`, `num_gpus=`, `resources=`, `label_selector=` a stage",
        "the same lever. Lowering it below what a task burns only adds tasks that wait for a core",
    ),
    (
        "2. `batch_size`: for memory",
        "auto on GPUs, 4 on CPUs; memory that runs out splits the batch",
        "on CPUs larger batches cost more: 18.4, 18.9, 19.3 ms a photo at 4, 8, 16 (ResNet-50 bf16)",
    ),
    (
        "3. `concurrency`: the pool's size",
        "from the GPUs or the nodes; `concurrency=N` or `(least, most)`",
        "a pool that grows late loads its model late: models' pools start whole",
    ),
    (
        "4. Block and memory settings: only when memory runs out",
        "partitions of about 32 MiB of pixels, never above 256 MiB; four a slot where there are rows enough",
        "a partition travels whole, as one row of a block; too few of them leave slots idle at the end",
    ),
)

_HEAD = f"""# Defaults by the cluster's shape

What `--engine ray` asks for where you say nothing (`headrace.plan.shape`). A *reader* reads, decodes and resizes; it
takes 1 CPU. Writing takes none. The last columns are rows a partition for jobs of 10^4 and 10^6 photos and a model of
224x224 pixels, until the first batch has shown what they cost, and the photos/s that the readers can decode at
{DECODE_MS:g} ms of CPU each, by arithmetic: where the GPUs can do more, add nodes without GPUs.

Written by `python -m headrace.bench.cluster_defaults > docs/cluster-defaults.md`."""
_COLUMNS = (
    "cluster | model workers | CPUs each | GPUs each | readers | batch | rows, 10^4 | rows, 10^6 | photos/s decoded"
)
_WHY = (
    "## Where this departs from common advice\n\nThe advice is that of widely used Ray Data tutorials, by their tables."
)


def page() -> str:
    """All of it, as Markdown."""
    rows = [_line(shape, defaults(cluster)) for shape, cluster in SHAPES.items()]
    own = [_line(shape, defaults(SHAPES[shape], "class")) for shape in ("1 node of 2 CPUs", "4 nodes of 16 CPUs")]
    parts = [_HEAD, "## A model", _table(_COLUMNS, rows)]
    parts += [
        "## A class of your own, without GPUs\n\nIts pool grows from one worker as rows wait.",
        _table(_COLUMNS, own),
    ]
    parts.append(_WHY)
    for title, departures in (("Stages", BY_STAGE), ("Sizes", BY_SIZE), ("Levers", BY_LEVEL)):
        parts += [f"### {title}", _table("advice | here | why", [" | ".join(line) for line in departures])]
    return "\n\n".join(parts)


def _line(shape: str, chosen: Defaults) -> str:
    least, most = chosen.model_workers
    cells = (
        shape,
        f"{most}" if least == most else f"{least}-{most}",
        f"{chosen.model_cpus:g}",
        f"{chosen.model_gpus:g}",
        chosen.readers,
        chosen.batch_size,
        chosen.photo_partition_rows(10**4),
        chosen.photo_partition_rows(10**6),
        f"{chosen.readers * 1000 / DECODE_MS:,.0f}",
    )
    return " | ".join(str(cell) for cell in cells)


def _table(columns: str, lines: list[str]) -> str:
    ruler = "|".join("---" for _ in columns.split("|"))
    return "\n".join([f"| {columns} |", f"|{ruler}|", *(f"| {line} |" for line in lines)])


if __name__ == "__main__":
    print(page())

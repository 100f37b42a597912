"""Peer: a torch DataLoader with two workers, a plain fp32 loop on the CPU, one Parquet file at the end.

startup_s covers imports and the network; the workers start inside the run. There is no second run to make: nothing is
kept warm. Writes path, class_id, score.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from PIL import Image
from pyarrow import parquet
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from headrace.bench.peers._common import measure, parse_args, process_age_s, top_class
from headrace.bench.peers._torch import network, to_input


class Photos(Dataset[Tensor]):
    """Image files as the network's input tensors."""

    def __init__(self, files: tuple[str, ...]) -> None:
        self._files = files

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> Tensor:
        with Image.open(self._files[index]) as image:
            return to_input(image.convert("RGB"))


def run(model: nn.Module, files: tuple[str, ...], out: Path) -> None:
    """Classify `files` into one Parquet file in `out`."""
    loader = DataLoader(Photos(files), batch_size=64, num_workers=2)
    with torch.inference_mode():
        logits = np.concatenate([model(batch).numpy() for batch in loader])
    class_ids, scores = top_class(logits)
    out.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table({"path": files, "class_id": class_ids, "score": scores}), out / "part.parquet")


def main() -> None:
    """Run the peer and print its JSON line."""
    args = parse_args(precisions=("fp32",))
    model = network(args.model)
    files = args.files[: args.rows]
    measure(lambda out: run(model, files, out), out=args.out, startup_s=process_age_s(), warm=False)


if __name__ == "__main__":
    main()

"""Peer: Daft as its batch inference guide has it: files, download, decode_image, resize, a class UDF, write_parquet.

The pixels are Daft's own: resize gives 224x224 of the whole photo, not antialiased and without keeping its shape, since
Daft resizes to one fixed size only (no short side) and crops by bounding box. Answers differ from the other peers'.
startup_s covers the imports; loading the model counts inside the run. warm_rows_per_s is a second run in the process,
which loads the model anew. Writes path, class_id, score.
"""

import os
from pathlib import Path

import daft
import pyarrow as pa
from daft import DataType, Series
from daft.functions import decode_image, download, image_to_tensor, resize

from headrace.bench.peers._common import CROP, OpenVinoClassifier, PeerArgs, measure, parse_args, process_age_s

_ANSWER = DataType.struct({"class_id": DataType.int32(), "score": DataType.float32()})
# 640 photos, ResNet-50 bf16, 2 cores of an AMD EPYC, cold and warm images/s. Batch 64, 3 runs: 79-84, 36-98; 64 after
# into_batches(64), 3 runs: 58-82, 75-100; 64 with use_process=True, 3 runs: 50-82, 60-98; one run each: 128 79, 96 and
# 32 50, 76. Settings differ by no more than runs do.
_BATCH_SIZE = 64


@daft.cls(max_concurrency=1)
class Classifier:
    """Daft's class UDF: one instance, as OpenVINO uses all cores by itself."""

    def __init__(self, model: str, precision: str) -> None:
        self._classify = OpenVinoClassifier(model, precision)

    @daft.method.batch(return_dtype=_ANSWER, unnest=True, batch_size=_BATCH_SIZE)
    def classify(self, images: Series) -> pa.StructArray:
        """Classify tensors uint8 [224, 224, 3]."""
        class_ids, scores = self._classify(images.to_arrow().to_numpy_ndarray())
        return pa.StructArray.from_arrays([pa.array(class_ids), pa.array(scores)], ["class_id", "score"])


def run(args: PeerArgs, out: Path) -> None:
    """Classify args.files into Parquet files in `out`."""
    classifier = Classifier(args.model, args.precision)
    # Not from_glob_path: a list of files becomes one task a file there, and the model gets batches of 1: 7 images/s,
    # each padded to 8 rows.
    photos = daft.from_pydict({"path": list(args.files[: args.rows])})
    photos = photos.with_column("image", resize(decode_image(download(photos["path"]), mode="RGB"), CROP, CROP))
    pixels = image_to_tensor(photos["image"])
    photos.select(photos["path"], classifier.classify(pixels)).write_parquet(str(out))


def main() -> None:
    """Run the peer and print its JSON line."""
    os.environ["DAFT_PROGRESS_BAR"] = "0"
    args = parse_args()
    measure(lambda out: run(args, out), out=args.out, startup_s=process_age_s(), warm=True)


if __name__ == "__main__":
    main()

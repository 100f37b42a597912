"""Peer: the pipeline of github.com/amogkam/batch-inference-benchmarks: raw images from Parquet, so nothing is decoded.

--data holds Parquet files of a column `image`, uint8 [256, 256, 3] fixed-shape tensors, 1,000 rows a file (see
bench.corpus.make_raw_parquet). Resize(256) leaves such images as they are, so only the crop remains. The benchmark's
GPU actors are one OpenVINO actor here. startup_s and warm_rows_per_s are as in ray_textbook.
Writes the input's other columns, class_id, score.
"""

from pathlib import Path

from headrace.bench.peers._common import measure, parse_args, process_age_s
from headrace.bench.peers._ray import classify, start_ray


def main() -> None:
    """Run the peer and print its JSON line."""
    args = parse_args(suffixes=(".parquet",))
    start_ray()
    import ray

    def run(out: Path) -> None:
        photos = ray.data.read_parquet(list(args.files))
        classify(photos if args.rows is None else photos.limit(args.rows), args, out)

    measure(run, out=args.out, startup_s=process_age_s(), warm=True)


if __name__ == "__main__":
    main()

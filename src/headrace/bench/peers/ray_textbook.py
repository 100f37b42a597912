"""Peer: Ray Data as its batch inference guide has it: read_images, map_batches, an actor pool, write_parquet.

startup_s ends when the cluster is up. Listing the files and starting the actor with its model count inside the run, as
Ray Data's API cannot separate them; warm_rows_per_s is a second run in the same cluster. Writes path, class_id, score.
"""

from pathlib import Path

from headrace.bench.peers._common import measure, parse_args, process_age_s
from headrace.bench.peers._ray import classify, start_ray


def main() -> None:
    """Run the peer and print its JSON line."""
    args = parse_args()
    start_ray()
    import ray

    def run(out: Path) -> None:
        photos = ray.data.read_images(list(args.files[: args.rows]), mode="RGB", include_paths=True)
        classify(photos, args, out)

    measure(run, out=args.out, startup_s=process_age_s(), warm=True)


if __name__ == "__main__":
    main()

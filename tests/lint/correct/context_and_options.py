"""Looks like: options in the wrong place. Is: DataContext set on its own, Ray's options where map_batches has them."""

import logging

import ray

log = logging.getLogger("features")


def hashed(batch, buckets):
    batch["bucket"] = [hash(word) % buckets for word in batch["word"]]
    return batch


def main():
    ray.init(runtime_env={"env_vars": {"PYTHONHASHSEED": "0"}})
    context = ray.data.DataContext.get_current()
    context.target_max_block_size = 64 * 1024 * 1024
    context.execution_options.preserve_order = True
    context.max_errored_blocks = 2

    words = ray.data.read_text("words/").rename_columns({"text": "word"})
    buckets = words.map_batches(
        hashed,
        fn_kwargs={"buckets": 1_024},
        batch_size=10_000,
        num_cpus=0.5,
        memory=500 * 1024 * 1024,
        compute=ray.data.TaskPoolStrategy(size=16),
    )
    buckets.write_parquet("buckets/", ray_remote_args={"num_cpus": 0.25}, concurrency=8, compression="zstd")
    written = ray.data.read_parquet("buckets/")
    log.info("%d rows in %d files", written.count(), len(written.input_files()))


if __name__ == "__main__":
    main()

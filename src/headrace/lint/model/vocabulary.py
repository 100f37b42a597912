"""Ray Data's own words: which method does what to a dataset (Ray 2.60's, and older ones that tutorials still use)."""

from __future__ import annotations

import builtins

from headrace.lint.model.records import Kind

SOURCES = frozenset(
    {
        "from_arrow", "from_arrow_refs", "from_blocks", "from_daft", "from_dask", "from_huggingface", "from_items",
        "from_mars", "from_modin", "from_numpy", "from_numpy_refs", "from_pandas", "from_pandas_refs", "from_spark",
        "from_tf", "from_torch", "range", "range_table", "range_tensor", "range_arrow", "read_audio", "read_avro",
        "read_bigquery", "read_binary_files", "read_clickhouse", "read_csv", "read_databricks_tables",
        "read_datasource", "read_delta", "read_delta_sharing_tables", "read_hudi", "read_iceberg", "read_images",
        "read_json", "read_kafka", "read_lance", "read_lerobot", "read_mcap", "read_mongo", "read_numpy", "read_orc",
        "read_parquet", "read_parquet_bulk", "read_snowflake", "read_sql", "read_text", "read_tfrecords",
        "read_unity_catalog", "read_videos", "read_webdataset", "read_zarr",
    }
)  # fmt: skip
LAZY = frozenset(
    {
        "add_column", "copy", "drop_columns", "filter", "flat_map", "groupby", "join", "lazy",
        "limit", "map", "map_batches", "map_groups", "mix", "random_sample", "random_shuffle",
        "randomize_block_order", "rename_columns", "repartition", "repeat", "select_columns", "sort", "union",
        "window", "with_column", "with_columns", "zip",
    }
)  # fmt: skip
SPLITS = frozenset({"split", "split_at_indices", "split_proportionately", "train_test_split", "streaming_split"})
RUNS = frozenset(
    {
        "aggregate", "count", "fully_executed", "iter_batches", "iter_internal_ref_bundles", "iter_jax_batches",
        "iter_rows", "iter_tf_batches", "iter_torch_batches", "materialize", "max", "mean", "min", "show",
        "size_bytes", "std", "sum", "summary", "take", "take_all", "take_batch", "to_arrow_refs", "to_daft", "to_dask",
        "to_mars", "to_modin", "to_numpy_refs", "to_pandas", "to_pandas_refs", "to_random_access_dataset", "to_spark",
        "to_tf", "to_torch", "unique", "get_internal_block_refs",
    }
)  # fmt: skip
LOOKS = frozenset(
    {
        "columns", "explain", "get_stats_summary", "input_files", "iterator", "names", "num_blocks", "schema",
        "set_name", "stats", "types",
    }
)  # fmt: skip
OTHERS = ("polars", "pl.", "headrace")  # whose map_batches is not Ray Data's
BUILTINS = frozenset(dir(builtins))


def kind_of(method: str) -> Kind | None:
    """What a dataset's method does to it; None where it has no such method."""
    if method in LAZY:
        return Kind.LAZY
    if method in RUNS or method in SPLITS or method.startswith("write_"):
        return Kind.RUN
    return Kind.LOOK if method in LOOKS else None

"""Looks like: a UDF that returns no dict. Is: an Arrow table in and out, without a copy; a generator of tables."""

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import ray


def normalize(table: pa.Table) -> pa.Table:
    lowered = pc.utf8_lower(pc.utf8_trim_whitespace(table["name"]))
    return table.set_column(table.schema.get_field_index("name"), "name", lowered)


def pieces(table: pa.Table):
    """Large blocks leave in pieces, so that memory stays small."""
    for start in range(0, table.num_rows, 10_000):
        part = table.slice(start, 10_000)
        yield part.append_column("length", pc.utf8_length(part["name"]))


class Lookup:
    def __init__(self, path):
        self.known = pq.read_table(path, columns=["name"])["name"].unique()

    def __call__(self, table: pa.Table) -> pa.Table:
        return table.filter(pc.is_in(table["name"], value_set=self.known))


people = ray.data.read_parquet("people/", columns=["person_id", "name"])
people = people.map_batches(normalize, batch_format="pyarrow", zero_copy_batch=True, batch_size=None)
people = people.map_batches(pieces, batch_format="pyarrow").map_batches(
    Lookup, fn_constructor_args=("known.parquet",), batch_format="pyarrow", compute=ray.data.ActorPoolStrategy(size=2)
)
people.write_parquet("found/")

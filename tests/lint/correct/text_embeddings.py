"""Looks like: chunk numbers used as ids. Is: chunks numbered within their document, beside its own id."""

import ray
from ray.data import ActorPoolStrategy
from sentence_transformers import SentenceTransformer

CHUNK = 1_000


def chunks(row):
    """A document's pieces; document and chunk together name a row."""
    pieces = [row["text"][i : i + CHUNK] for i in range(0, len(row["text"]), CHUNK)]
    return [{"document_id": row["id"], "chunk": n, "text": piece} for n, piece in enumerate(pieces)]


class Embed:
    def __init__(self, name):
        self.model = SentenceTransformer(name, device="cuda")

    def __call__(self, batch):
        batch["vector"] = self.model.encode(list(batch["text"]), batch_size=256, convert_to_numpy=True)
        return batch


def main():
    documents = ray.data.read_parquet("s3://bucket/documents/", columns=["id", "text"])
    vectors = documents.flat_map(chunks).map_batches(
        Embed,
        fn_constructor_kwargs={"name": "BAAI/bge-small-en-v1.5"},
        batch_size=1_024,
        num_gpus=1,
        compute=ActorPoolStrategy(min_size=2, max_size=8),
    )
    vectors.write_parquet("s3://bucket/vectors/", min_rows_per_file=100_000)


if __name__ == "__main__":
    main()

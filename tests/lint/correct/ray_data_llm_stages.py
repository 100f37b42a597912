"""Looks like: JSON and a GPU pipeline. Is: ray.data.llm after map_batches, its answers parsed, all in Parquet."""

import json

import ray
from ray.data.expressions import col, lit
from ray.data.llm import build_processor, vLLMEngineProcessorConfig


def parse(row):
    """The model is asked for JSON; what is none becomes an error column, not a made-up answer."""
    try:
        answer = json.loads(row["generated_text"])
        return {"id": row["id"], "topic": str(answer["topic"]), "error": ""}
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        return {"id": row["id"], "topic": None, "error": repr(error)}


def strip(batch):
    batch["text"] = [text.strip()[:4_000] for text in batch["text"]]
    return batch


def main():
    config = vLLMEngineProcessorConfig(
        model_source="Qwen/Qwen2.5-7B-Instruct",
        engine_kwargs={"tensor_parallel_size": 2, "max_model_len": 8_192},
        concurrency=(1, 4),
        batch_size=128,
    )
    classify = build_processor(
        config,
        preprocess=lambda row: {
            "messages": [{"role": "user", "content": f'Give {{"topic": ...}} for: {row["text"]}'}],
            "sampling_params": {"temperature": 0.0, "max_tokens": 32},
            **row,
        },
        postprocess=parse,
    )
    articles = ray.data.read_parquet("s3://bucket/articles/", columns=["id", "text"])
    classify(articles.map_batches(strip)).write_parquet("s3://bucket/topics/")
    failed = ray.data.read_parquet("s3://bucket/topics/").filter(expr=col("error") != lit(""))
    print(failed.count())


if __name__ == "__main__":
    main()

"""Looks like: concurrency=, which map_batches has deprecated. Is: ray.data.llm's configuration, where it is the way."""

import ray
from ray.data.llm import build_processor, vLLMEngineProcessorConfig

config = vLLMEngineProcessorConfig(
    model_source="Qwen/Qwen2.5-0.5B-Instruct",
    engine_kwargs={"max_model_len": 4_096, "enable_chunked_prefill": True},
    concurrency=2,
    batch_size=64,
)
processor = build_processor(
    config,
    preprocess=lambda row: {
        "id": row["id"],
        "messages": [
            {"role": "system", "content": "Answer in one word."},
            {"role": "user", "content": row["question"]},
        ],
        "sampling_params": {"temperature": 0.0, "max_tokens": 16},
    },
    postprocess=lambda row: {"id": row["id"], "answer": row["generated_text"]},
)

questions = ray.data.read_parquet("questions/", columns=["id", "question"])
answers = processor(questions)
answers.write_parquet("answers/")
print(ray.data.read_parquet("answers/").take(5))

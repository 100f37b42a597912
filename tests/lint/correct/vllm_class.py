"""Looks like: generate on small batches. Is: vLLM, which schedules inside; it gets many prompts at once."""

import ray
from vllm import LLM, SamplingParams


class Answer:
    def __init__(self, model, tensor_parallel_size):
        self.llm = LLM(model=model, tensor_parallel_size=tensor_parallel_size, enable_prefix_caching=True)
        self.sampling = SamplingParams(temperature=0.0, max_tokens=256)

    def __call__(self, batch):
        chats = [[{"role": "user", "content": question}] for question in batch["question"]]
        outputs = self.llm.chat(chats, self.sampling, use_tqdm=False)
        return {
            "id": batch["id"],
            "answer": [output.outputs[0].text for output in outputs],
            "tokens": [len(output.outputs[0].token_ids) for output in outputs],
        }


if __name__ == "__main__":
    questions = ray.data.read_parquet("questions/", columns=["id", "question"])
    answers = questions.map_batches(
        Answer,
        fn_constructor_args=("Qwen/Qwen2.5-0.5B-Instruct", 1),
        batch_size=512,
        num_gpus=1,
        compute=ray.data.ActorPoolStrategy(size=4, max_tasks_in_flight_per_actor=2),
    )
    answers.write_parquet("answers/")

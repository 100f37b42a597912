"""Looks like: tokenizers in UDFs. Is: tokenizing in a class on the CPUs, generating on the GPU, then decoding."""

import numpy as np
import ray
import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

NAME = "t5-small"
LENGTH = 256


class Tokenize:
    def __init__(self):
        self.tokenizer = AutoTokenizer.from_pretrained(NAME)

    def __call__(self, batch):
        texts = [f"summarize: {text}" for text in batch["text"]]
        tokens = self.tokenizer(texts, padding="max_length", truncation=True, max_length=LENGTH, return_tensors="np")
        return {"id": batch["id"], "tokens": tokens["input_ids"].astype(np.int32)}


class Generate:
    def __init__(self):
        self.model = AutoModelForSeq2SeqLM.from_pretrained(NAME).eval().to("cuda")

    @torch.no_grad()
    def __call__(self, batch):
        tokens = torch.as_tensor(batch["tokens"]).long().to("cuda")
        answers = self.model.generate(tokens, max_new_tokens=60)
        padded = torch.nn.functional.pad(answers, (0, 64 - answers.shape[1]))
        return {"id": batch["id"], "answer": padded.cpu().numpy()}


class Decode:
    def __init__(self):
        self.tokenizer = AutoTokenizer.from_pretrained(NAME)

    def __call__(self, batch):
        return {"id": batch["id"], "summary": self.tokenizer.batch_decode(batch["answer"], skip_special_tokens=True)}


articles = ray.data.read_json("articles/", lines=True).select_columns(["id", "text"])
summaries = (
    articles.map_batches(Tokenize, batch_size=256, compute=ray.data.ActorPoolStrategy(min_size=1, max_size=8))
    .map_batches(Generate, batch_size=64, num_gpus=1, compute=ray.data.ActorPoolStrategy(size=2))
    .map_batches(Decode, batch_size=256, compute=ray.data.ActorPoolStrategy(size=1))
)
summaries.write_parquet("summaries/")

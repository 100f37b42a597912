"""Looks like: waiting inside a UDF, a request per row. Is: an async class; a batch's requests run side by side."""

import asyncio

import httpx
import ray


class Ask:
    """One client a worker; at most 32 requests at a time."""

    def __init__(self, url: str):
        self.url = url
        self.client = httpx.AsyncClient(timeout=60)
        self.free = asyncio.Semaphore(32)

    async def ask(self, text: str) -> str:
        async with self.free:
            answer = await self.client.post(self.url, json={"text": text})
        answer.raise_for_status()
        return answer.json()["label"]

    async def __call__(self, batch):
        labels = await asyncio.gather(*(self.ask(text) for text in batch["text"]))
        yield {"id": batch["id"], "label": list(labels)}


rows = ray.data.read_parquet("texts/", columns=["id", "text"])
rows.map_batches(
    Ask, fn_constructor_args=("http://models:8000/label",), batch_size=128, compute=ray.data.ActorPoolStrategy(size=2)
).write_parquet("labels/")

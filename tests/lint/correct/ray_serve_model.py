"""Looks like: a model called for one text at a time. Is: Ray Serve, which makes the batches itself."""

from typing import Any

from ray import serve
from ray.serve.handle import DeploymentHandle
from starlette.requests import Request
from transformers import pipeline


@serve.deployment(num_replicas=2, ray_actor_options={"num_gpus": 1})
class Sentiment:
    def __init__(self) -> None:
        self.classify = pipeline("text-classification", device="cuda")

    @serve.batch(max_batch_size=32, batch_wait_timeout_s=0.01)
    async def __call__(self, texts: list[str]) -> list[dict[str, Any]]:
        return self.classify(texts, batch_size=32)


@serve.deployment
class Front:
    def __init__(self, sentiment: DeploymentHandle) -> None:
        self.sentiment = sentiment

    async def __call__(self, request: Request) -> list[dict[str, Any]]:
        texts = (await request.json())["texts"]
        answers = [self.sentiment.remote(text) for text in texts]
        return [await answer for answer in answers]


app = Front.bind(Sentiment.bind())

if __name__ == "__main__":
    handle = serve.run(app)
    print(serve.status().applications)

"""The published actor examples, with a live pool in place of the actor."""

import sys
from collections.abc import Callable
from typing import Any

import cloudpickle
import numpy as np

from headrace.api.pool import ModelPool

MakePool = Callable[..., ModelPool]
cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers then import only what a class needs


class LinearModel:
    """The published actor example, without Ray in it."""

    def __init__(self) -> None:
        from sklearn.linear_model import LinearRegression

        self.model = LinearRegression()
        X = np.array([[1, 1], [1, 2], [2, 2], [2, 3]])
        self.model.fit(X, np.dot(X, np.array([1, 2])) + 3)

    def infer(self, input_data: Any) -> Any:
        return self.model.predict(input_data)


class UpdatableModel(LinearModel):
    def update_model(self, new_X: Any, new_y: Any) -> None:
        self.model.fit(new_X, new_y)


class Network:
    def __init__(self, seed: int) -> None:
        import torch

        torch.manual_seed(seed)
        torch.set_num_threads(1)
        self.model = torch.nn.Sequential(torch.nn.Linear(784, 10), torch.nn.ReLU(), torch.nn.Linear(10, 10))

    def train(self, inputs: Any, targets: Any) -> float:
        import torch

        loss = torch.nn.functional.mse_loss(self.model(torch.from_numpy(inputs)), torch.from_numpy(targets))
        loss.backward()
        torch.optim.SGD(self.model.parameters(), lr=0.1).step()
        return float(loss.detach())

    def infer(self, input_data: Any) -> Any:
        import torch

        with torch.no_grad():
            return self.model(torch.from_numpy(input_data)).numpy()


def test_network_answers_and_learns_as_it_does_here(make_pool: MakePool) -> None:
    pool = make_pool(Network, seed=7, workers=1)
    inputs = [np.random.default_rng(i).random((1, 784), np.float32) for i in range(3)]
    here = Network(7)
    for got, x in zip(pool.map("infer", inputs), inputs, strict=True):
        assert np.allclose(got, here.infer(x), atol=1e-6)
    targets = np.zeros((1, 10), np.float32)
    assert np.isclose(pool.update("train", inputs[0], targets), here.train(inputs[0], targets))
    for got, x in zip(pool.map("infer", inputs), inputs, strict=True):
        assert np.allclose(got, here.infer(x), atol=1e-6)


def test_linear_model_of_the_article_predicts_and_predicts_anew_after_an_update(make_pool: MakePool) -> None:
    pool, x = make_pool(UpdatableModel), np.array([[3, 3]])
    inputs = [x, np.array([[4, 4]]), np.array([[5, 5]])]
    assert np.allclose([pool.infer(i) for i in inputs], [[12], [15], [18]])
    assert np.allclose(list(pool.map("infer", inputs)), [[12], [15], [18]])
    assert pool.update("update_model", np.array([[3, 3], [4, 4]]), np.array([13, 17])) is None
    answers = list(pool.map("infer", [x] * 6, with_version=True))
    assert np.allclose([a for a, _ in answers], 13)
    assert ({v for _, v in answers}, pool.version) == ({1}, 1)
    pool.update("update_model", np.array([[3, 3], [4, 4]]), np.array([14, 18]))
    assert np.allclose([pool.infer(x) for _ in range(4)], 14)

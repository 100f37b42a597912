"""The same pool tests on both engines; one local Ray for all of them."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from headrace.api.pool import ModelPool

MakePool = Callable[..., ModelPool]


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """A Ray of this machine with 4 logical CPUs."""
    import ray

    ray.shutdown()  # one that other tests of this process have kept
    ray.init(address="local", num_cpus=4, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


@pytest.fixture(params=["local", "ray"], scope="session")
def engine(request: pytest.FixtureRequest) -> str:
    if request.param == "ray":
        request.getfixturevalue("local_ray")
    return str(request.param)


@pytest.fixture
def make_pool(engine: str) -> Iterator[MakePool]:
    """Makes pools on the engine, and closes them after the test."""
    made: list[ModelPool] = []

    def make(cls: type, *args: Any, workers: int = 2, **kwargs: Any) -> ModelPool:
        made.append(
            ModelPool(cls, workers=workers, engine=engine, fn_constructor_args=args, fn_constructor_kwargs=kwargs)
        )
        return made[-1]

    yield make
    for pool in made:
        pool.close(cancel_futures=True)

import importlib.util
from pathlib import Path

import pytest
import torch

_SCENE = Path(__file__).with_name("ray_cast_sphere.py")


@pytest.fixture(scope="session")
def ball():
    """The module that ray-casts a ball."""
    spec = importlib.util.spec_from_file_location("ray_cast_sphere", _SCENE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def views(ball):
    """Twelve views of 64 pixels, eight in a ring and four above."""
    lower = ball.make_cameras(8, 64)
    upper = ball.make_cameras(4, 64, elevation=55.0, first=20.0)
    return ball.make_views(lower + upper)


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Tiny images are measured faster on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)

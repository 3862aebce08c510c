"""What all benchmarks share: the digits, and the machine in what pytest-benchmark writes."""

import pytest

from fastnet.timing import machine
from fastnet.timing.cases import Digits


@pytest.fixture(scope="session")
def digits() -> Digits:
    return Digits()


def pytest_benchmark_update_machine_info(config, machine_info):
    machine_info["fastnet"] = {**machine.facts(), "load_average": machine.load_average()}

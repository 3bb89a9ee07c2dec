"""Which methods are asked: those of the registry, or one that is not in it yet."""

from napari_cellseg_ssl.core.methods import registry


def pytest_addoption(parser):
    parser.addoption("--method", metavar="NAME=MODULE", help="ask this method alone, wherever its module is")


def pytest_configure(config):
    """Before the questions are collected, which are asked of all that the registry has."""
    if config.getoption("--method", None):
        name, _, module = config.getoption("--method").partition("=")
        registry.METHODS.clear()
        registry.METHODS[name] = module

import pytest

from tests.bulk.annotated import make_corpus, make_model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_model(tmp_path_factory)


@pytest.fixture
def corpus(tmp_path):
    return make_corpus(tmp_path / "corpus")

"""The order of a doc by itself, which is found in another way."""

import numpy as np
import pytest

from spacy_rnn_tagger.crf.packed_order import PackedOrder


@pytest.mark.parametrize("length", [1, 2, 7])
def test_one_doc_has_the_order_that_it_has_beside_an_empty_one(length):
    alone, beside = PackedOrder([length]), PackedOrder([length, 0])
    for name in ("bounds", "forward", "backward", "places", "ending", "doc_of", "first", "last"):
        found, wanted = getattr(alone, name), getattr(beside, name)
        np.testing.assert_array_equal(found, wanted, err_msg=name)
    assert (alone.n_docs, alone.n_tokens, alone.lengths.tolist()) == (1, length, [length])

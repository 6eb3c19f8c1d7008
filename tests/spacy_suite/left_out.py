"""spaCy's tests that are not run with `rnn_ner`, each with its reason."""

MOVES = "on the names, numbers or steps of the transition system, `moves`, which a tagger has not"
ORACLE = "on the oracle of the transition system alone: it makes no component"
BEAM = "calls beam search by its own methods, and reads its beams"
HELPER = "on IOB helpers of spacy.training: it makes no component"

LEFT_OUT = {
    "parser/test_ner.py::test_issue1967[U-JOB-NAME]": MOVES,
    "parser/test_ner.py::test_issue2179": MOVES,
    "parser/test_ner.py::test_issue2385": HELPER,
    "parser/test_ner.py::test_issue3209": MOVES,
    "parser/test_ner.py::test_labels_from_BILUO": MOVES,
    "parser/test_ner.py::test_issue4313": BEAM,
    "parser/test_ner.py::test_get_oracle_moves": ORACLE,
    "parser/test_ner.py::test_negative_samples_two_word_input": ORACLE,
    "parser/test_ner.py::test_negative_samples_three_word_input": ORACLE,
    "parser/test_ner.py::test_negative_samples_U_entity": ORACLE,
    "parser/test_ner.py::test_negative_sample_key_is_in_config": ORACLE,
    "parser/test_ner.py::test_accept_blocked_token": MOVES,
    "parser/test_ner.py::test_overwrite_token": MOVES,
    "parser/test_ner.py::test_beam_ner_scores": BEAM,
    "parser/test_ner.py::test_beam_overfitting_IO": BEAM,
    "parser/test_add_label.py::test_add_label_deserializes_correctly": MOVES,
    "parser/test_add_label.py::test_add_label_get_label[EntityRecognizer-4-model_config1]": MOVES,
    "parser/test_add_label.py::test_ner_labels_added_implicitly_on_beam_parse": BEAM,
    "parser/test_add_label.py::test_ner_labels_added_implicitly_on_greedy_parse": BEAM,
}

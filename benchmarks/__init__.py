"""How fast `rnn_ner` is, beside spaCy's `ner` and the bare LSTM of torch: `python -m benchmarks`.

Every figure is a ratio of systems that took turns in one run; see `measure.py`.
"""

"""Messages about training data, configs and vectors: RNN301 to RNN399."""


class TrainingErrors:
    """Templates, whose fields are filled in by `str.format`."""

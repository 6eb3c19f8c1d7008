"""Messages about export: RNN701 to RNN799."""


class ONNXErrors:
    """Templates, whose fields are filled in by `str.format`."""

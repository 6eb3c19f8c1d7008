"""Functions for the training section of a config: batchers, augmenters, callbacks and loggers."""

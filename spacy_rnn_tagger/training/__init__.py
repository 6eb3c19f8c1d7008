"""What a config's training section names: batchers, augmenters, callbacks and loggers."""

"""Label Studio and doccano, the real ones: suggestions in, annotation out.

`python -m benchmarks.clients label-studio|doccano --model MODEL` installs the tool, starts it on
this machine, loads what `spacy rnn annotate` writes, annotates as people do, and converts every
form of export that the tool offers.
"""

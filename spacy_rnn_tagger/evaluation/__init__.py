"""Evaluation of trained pipelines on annotated data: calibration, and the report.

`calibrating` and `reporting` hold the public functions. The other modules, in the order in which
they build on each other: `data` and `inputs` (annotated docs and pipelines, from disk or from
memory), `outcomes` (what became of each entity), `running` (a pipeline over docs), `scope` (which
labels are scored), `calibration` (temperature and thresholds), `figures` (all numbers of a report),
`plots` and `page`.

Evaluation needs the extra `evaluation` (SciPy, Matplotlib, Jinja2); tagging does not. The modules
of the public functions can be imported without it.
"""

"""Evaluation of trained pipelines on annotated data: calibration, and the report.

`calibrating` and `reporting` contain the public functions. The other modules, in the order in which
they build on each other: `data` and `inputs` (annotated docs and pipelines, from disk or from
memory), `provenance` (who, what and when), `outcomes` (what became of each entity), `judging` (what
the annotation says about a span), `running` (a pipeline over docs), `scope` (which labels are
scored), `calibration` (temperature and thresholds), `conformal` (floors of candidates for a
coverage), `workload` (what a person has to check), `figures` (all numbers of a report),
`summary`, `plots` and `page`, and `exporting` (annotated docs, for annotation tools).

Evaluation needs the extra `evaluation` (SciPy, Matplotlib, Jinja2); tagging does not. The modules
of the public functions can be imported without it.
"""

"""Statistics of benchmark results: paired tests, agreement of metrics, power, number of observers.

``paired``, ``agreement`` and ``power`` work on stored scores alone; ``observers`` needs the data
set, since it makes gold standards of fewer observers.
"""

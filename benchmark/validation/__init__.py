"""Whether ceilings and intervals are what they claim to be, on observers whose truth is known.

``python -m benchmark.validation`` measures two claims on simulated observers and writes tables,
figures and a README: the gold standard approaches the true information gain as observers are added
and does not exceed it; bootstrap intervals cover the true value as often as they say.
"""

"""Which input size and batch size a model should be measured with.

``results``: what a tuning says. ``sizes``, ``choose``, ``memory``: pure decisions. ``search``: the
order of runs, over a function that measures one. ``report``: the words of it.
"""

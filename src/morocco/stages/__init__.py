"""One module a stage of the workflow: read files, call the pure parts, write files.

Rules call these, and so do the commands; nothing here knows Snakemake.
"""

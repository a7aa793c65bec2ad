"""Propose the settings and the pipeline of an installation from what a TDX holds.

`survey` reads TDX, `forms` and `reports` choose from what was read, `files` writes. Nothing here asks a person
(`cli.init`), and no call writes to TDX.
"""

"""What `greenroom` can do: a module for each command.

`add` puts the command into the parser and names the coroutine that carries it out. Modules import what takes long to
load only there, so that `--help` and a mistyped option answer at once.
"""

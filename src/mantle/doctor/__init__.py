"""`mantle doctor`: what is wrong with a deployment, whether a server runs or not.

Facts are gathered by `looking`, one source after the other, none of which can end the rest; what
they mean is decided in `judging`, which is pure. Nothing is changed.
"""

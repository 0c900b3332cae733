"""What every handler is given: the control plane and the caller, as they are.

Litestar would otherwise convert and check them like input, field by field.
"""

from litestar.di import NamedDependency
from litestar.params import SkipValidation

from mantle.access.caller import Caller
from mantle.stacks.control import Control

GivenControl = NamedDependency[SkipValidation[Control]]
GivenCaller = NamedDependency[SkipValidation[Caller]]

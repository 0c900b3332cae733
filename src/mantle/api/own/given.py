"""What every handler is given: the control plane and the caller, as they are.

Litestar would otherwise convert and check them like input, field by field.
"""

from typing import Annotated

from litestar.params import Dependency

from mantle.access.caller import Caller
from mantle.stacks.control import Control

GivenControl = Annotated[Control, Dependency(skip_validation=True)]
GivenCaller = Annotated[Caller, Dependency(skip_validation=True)]

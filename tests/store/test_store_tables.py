"""Every table is known to whoever imports the package, and so to every migration."""

import pkgutil

from mantle.store import tables


def test_every_module_of_tables_is_imported_by_the_package():
    """One that is not would be made or missed by whatever else happens to be imported."""
    modules = {each.name for each in pkgutil.iter_modules(tables.__path__)}
    assert modules - {"base"} == set(tables.__all__) - {"metadata"}

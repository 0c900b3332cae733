"""Resource types, one file each; `kit.py` is what they are made of, `registry.py` lists them."""

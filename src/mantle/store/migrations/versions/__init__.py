"""One file per revision, only adding until the last old engine is gone."""

"""Backups: everything that Mantle knows, in one file; see docs/reference/backup.md.

`frames` cuts the file into chunks and names the byte where the first damage is; `sealing` encrypts
them; `contents` says what they mean; `create`, `check` and `restore` are the verbs; `keeping` says
which backups stay, `schedule` makes them by itself.
"""

"""The local cloud: real processes on this machine, for a first stack and for real failures.

What a server's boot script finds:

- `HOME`: the server's own folder, writable and kept until it is deleted; the script starts there.
  Attached volumes are `$HOME/volumes/<device>`, so `/dev/vdb` is `$HOME/volumes/vdb`.
- `SERVER_IP`: its first address, on which to listen. `SERVER_IPS`: all, separated by spaces.
- `PORT`: the server's metadata item `port`, or 8080; a convention for what to listen on.
- `SERVER_ID`, `SERVER_NAME`.
- `MANTLE_METADATA_URL`: its metadata service, with its secret; below it `latest/meta-data/…`,
  `latest/user-data`, `openstack/latest/meta_data.json`. Absent when none is served.
- `PATH`: this machine's programs, and at its end the Python that runs Mantle.

The script runs at every boot. When it ends well, the server is up with whatever it left running;
when it stays, it is the server's program; when it ends badly, the server is in ERROR. See
`servers.py` for the exact rules, `isolation.py` for what a server can and cannot touch.

Files, below the data folder: `projects/<hex of project id>/<collection>/<id>.json`, and for each
server `machines/<id>/` with its `root/` and its supervisor's `run/`.
"""

from mantle.clouds.local.cloud import LocalCloud, LocalSession, find_caddy, find_haproxy

__all__ = ["LocalCloud", "LocalSession", "find_caddy", "find_haproxy"]

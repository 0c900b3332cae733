#!/bin/sh
# The local cloud tells a server its address; elsewhere it listens on all it has.
mkdir -p www && echo "This is the %title%." > www/index.html
exec python3 -m http.server --directory www --bind "${SERVER_IP:-0.0.0.0}" 8080

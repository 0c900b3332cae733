#!/bin/sh
# A web page with the server's name, from a shell and one small Python.
echo "$SERVER_NAME" > index.html
exec python3 -m http.server --bind "$SERVER_IP" 8080

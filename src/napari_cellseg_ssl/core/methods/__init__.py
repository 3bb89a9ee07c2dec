"""One package per method; `registry` names them, and they do not know each other."""

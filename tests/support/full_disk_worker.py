"""A `floorwalker` on a full disk: no file of it can grow by a byte, its log included."""

from __future__ import annotations

import resource
import sys

from service.main import main

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    sys.exit(main())

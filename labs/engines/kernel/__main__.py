"""The engine's own process from its first moment: process 1 of the lab's namespaces.

Started as `python -m labs.engines.kernel FD` by `engine.py`. The sandbox is proved on one core while the other imports
what the devices need.
"""

from __future__ import annotations

import gc
import os
import signal
import sys

from labs.engines.kernel.sandbox.proof import Proof
from labs.engines.kernel.sandbox.rootfs import prepare_lab


def main() -> None:
    """Prepare, prove, serve."""
    os.umask(0o022)  # files of devices are readable there, whoever plays
    gc.disable()  # importing makes no garbage; the first fork switches it on again
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    skeleton = prepare_lab()
    proof = Proof(skeleton)
    sys.modules["ssl"] = None  # type: ignore[assignment] # asyncio would load OpenSSL, which nobody here speaks
    import asyncio  # noqa: F401

    del sys.modules["ssl"]
    from labs.engines.kernel.lab.process import serve

    serve(int(sys.argv[1]), skeleton, proof)


if __name__ == "__main__":
    main()

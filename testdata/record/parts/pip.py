#!/usr/bin/python3
"""pip as it is, but for the kernel release in its User-Agent, which would name the recording machine."""
import platform
import sys

from pip._internal.cli.main import main

platform.release = lambda: "6.1.0-28-amd64"
sys.exit(main())

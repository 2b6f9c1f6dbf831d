import sys

from toolguard.cli import main

sys.exit(main())

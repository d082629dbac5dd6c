"""Entry point. It only takes the time and hands over to modules that are compiled in the image."""

import time

STARTED = (time.clock_gettime(time.CLOCK_REALTIME), time.monotonic(), time.process_time())

from calibrated import main  # noqa: E402

main(STARTED)

"""Each demonstration does the real thing once, and returns what the driver, the pool or the cache answered."""

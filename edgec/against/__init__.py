"""`bench --against`: a package and other runtimes timed in one run, on one thread, round by round."""

"""Below the line: the frozen Program, its text form and the one-arena interpreter."""

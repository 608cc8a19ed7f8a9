"""Program -> C text.  Loops and names only; every number was settled before."""

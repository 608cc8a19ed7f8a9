"""From a list of steps to a plan: order -> segment -> select -> place."""

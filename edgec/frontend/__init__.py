"""What stands around a model in a product: pixels or sound made into its input, its output made into a label.  All as generated C."""

"""Ways out of a Program other than C: TIR and Relax for TVM."""

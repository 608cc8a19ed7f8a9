"""`compile --tune`: kernels chosen by what the emulator counted instead of what was predicted."""

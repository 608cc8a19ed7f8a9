"""Where every byte lives: lifetimes, placement, and an independent proof."""

"""Where the chain is held back: a rate below its reference, or work that piles up; what that costs, and what to do."""

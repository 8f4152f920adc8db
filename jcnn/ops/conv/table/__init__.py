"""The table of measurements from which method "auto" chooses a lowering."""

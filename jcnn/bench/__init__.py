"""How long things take: one question a file, each with a check that the answers agree."""

"""How fast sertool is, and how much memory it takes; see README.md."""

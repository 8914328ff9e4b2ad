"""MAT and MNT, and the stacked layers they are made of. Models know no recipe and no files."""

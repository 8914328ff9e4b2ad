"""How rows are shared out where a kernel also sums over them."""

PROGRAMS = 512  # several for each of the 132 processors of an H100, so that none waits long for the others


def groups_of(beside: int, tiles: int) -> int:
    """Into how many groups the tiles of rows are put: a program sums over a group, torch over the groups' sums.

    Args:
        beside: programs that there are for each group.
        tiles: of rows, in all.
    """
    return max(1, min(tiles, -(-PROGRAMS // beside)))

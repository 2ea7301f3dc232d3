"""Which fleets fleet_viewers.py measures at once."""
import math


def phases(gpus):
    """Fleets that run beside each other, one after the other: of 1, 2, 4, ... GPUs. Each begins at a multiple of its size."""
    result, first_free, size = [[]], 0, 1
    while size <= gpus:
        begin = math.ceil(first_free / size) * size
        if begin + size > gpus:
            result.append([])
            begin = 0
        result[-1].append(list(range(begin, begin + size)))
        first_free, size = begin + size, 2 * size
    return [phase for phase in result if phase]

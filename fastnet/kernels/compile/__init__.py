"""How kernels are compiled and kept: the machine (target), the decorators (jit), the files (cache), Numba's own private
parts (guards).
"""
